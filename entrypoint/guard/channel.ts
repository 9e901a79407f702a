/** One stream of bytes on its way out, in which a value may be cut in two by the writes. */
import { type Mask, replace } from "./mask.ts";
import type { Finding } from "./matcher.ts";

export type Chunk = string | Uint8Array;

export interface Channel {
  /**
   * What may go out of `chunk` and of what was held back before it: the chunk itself, untouched, when there is nothing to do.
   * An end that may be the beginning of a value stays behind for the next chunk.
   */
  pass(chunk: Chunk, encoding?: BufferEncoding): Chunk;
  /** Gives out what stayed behind. Should it have been a beginning after all, what follows is still blanked out. */
  release(): Uint8Array;
  /** From now on nothing stays behind, as nobody will come for it. */
  stopHolding(): void;
}

export interface ChannelEvents {
  /** Something stays behind, so `release` is due soon. */
  onHold(): void;
  /** The settings whose values have been blanked out. */
  onHit(names: ReadonlySet<string>): void;
}

const EMPTY = new Uint8Array();
/** Encodings in which a string stands for its own characters; in the others, it stands for bytes. */
const TEXT = /^(utf-?8|ascii|latin1|binary|utf-?16le|ucs-?2)$/i;
const WIDE = /^(utf-?16le|ucs-?2)$/i;

/** The usual one first: this is asked for each line. */
function isTextual(encoding: BufferEncoding): boolean {
  return encoding === "utf8" || TEXT.test(encoding);
}

export function createChannel(mask: Mask, { onHold, onHit }: ChannelEvents): Channel {
  /** As one character a byte: what stayed behind, and before it what has been given out and may be part of a value. */
  let held = "";
  /** So much of it is out already. */
  let shown = 0;
  let mayHold = true;
  /** Blanked out, that is; a value that goes on behind it needs no name of its own. */
  let isNamed = false;

  const tell = (spans: Finding["spans"]) => {
    for (const { names } of spans) {
      mask.count(names);
      onHit(names);
    }
  };
  /** @param isLast nothing more is to be waited for: what is held stays only to be recognised when it goes on */
  const giveOut = (text: string, isLast: boolean): Buffer => {
    const { spans, pending } = mask.scan(text) ?? { spans: [], pending: text.length };
    const end = isLast ? text.length : pending;
    const due = spans.filter((span) => span.start < end && span.end > shown);
    tell(due);
    let out = "";
    let at = shown;
    for (const { start, end, name } of due) {
      out += text.slice(at, Math.max(at, start));
      if (!(start < shown && isNamed)) out += `[${name}]`;
      at = end;
    }
    if (at < end) {
      out += text.slice(at, end);
      isNamed = false;
    } else if (due.length > 0) isNamed = true;
    held = text.slice(pending);
    shown = Math.max(at, end) - pending;
    if (held.length > shown) onHold();
    return Buffer.from(out, "latin1");
  };
  return {
    pass(chunk, encoding = "utf8") {
      if (typeof chunk !== "string" && held === "" && mask.isClean(chunk)) return chunk;
      const isText = typeof chunk === "string" && isTextual(encoding);
      const text = isText ? chunk : latin1(chunk, encoding);
      const found = mask.scan(text);
      if (!found && held === "") return chunk;
      if (!isText) return giveOut(held + text, !mayHold);
      if (!WIDE.test(encoding)) return giveOut(held + latin1(chunk, encoding), !mayHold);
      // Two bytes a character: nobody logs like that, so it is blanked out as it comes, whole or not.
      tell(found?.spans ?? []);
      return Buffer.concat([giveOut(held, true), Buffer.from(replace(text, found?.spans ?? []), encoding)]);
    },
    release: () => (held.length === shown ? EMPTY : giveOut(held, true)),
    stopHolding() {
      mayHold = false;
    },
  };
}

function latin1(chunk: Chunk, encoding: BufferEncoding): string {
  if (Buffer.isBuffer(chunk)) return chunk.toString("latin1");
  const { buffer, byteOffset, byteLength } = typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk;
  return Buffer.from(buffer, byteOffset, byteLength).toString("latin1");
}
