/** Puts the mask on everything that this process writes to stdout and stderr, whichever way it takes. */
import type { Writable } from "node:stream";
import { format } from "node:util";
import type { Log } from "../log.ts";
import { type Channel, type Chunk, createChannel } from "./channel.ts";
import { maskFileWrites } from "./file-writes.ts";
import { maskLastWords } from "./last-words.ts";
import type { Mask } from "./mask.ts";
import { maskWorkers } from "./workers.ts";

/** A line that is written piece by piece comes together in less; a person at a prompt does not notice it. */
const HOLD_MS = 20;

interface Entry {
  readonly chunk: Chunk;
  readonly encoding: BufferEncoding;
}

type Sink = Writable & {
  _write(chunk: Chunk, encoding: BufferEncoding, done: (error?: Error | null) => void): void;
  _writev?(entries: Entry[], done: (error?: Error | null) => void): void;
  _final?(done: (error?: Error | null) => void): void;
};

export interface OutputOptions {
  /** The file that this process runs: threads of the app's load it, too. */
  readonly entrypoint: string;
  /** Says once of each setting that its value was about to be shown. */
  readonly log: Log;
  /** Ends the process at once, after an error that Node would have ended it for. */
  exit(code: number): void;
}

export function maskOutput(mask: Mask, { entrypoint, log, exit }: OutputOptions): void {
  // Both streams are made before `fs` is changed: for a file, Node's own stream keeps the function that it finds.
  const streams: readonly [number, Sink, string][] = [
    [1, process.stdout as unknown as Sink, "stdout"],
    [2, process.stderr as unknown as Sink, "stderr"],
  ];
  const tell = createTeller(log);
  const channels = new Map<number, Channel>();
  for (const [fd, stream, name] of streams) {
    // Written into the stream, so that it comes after what waits there.
    let timer: NodeJS.Timeout | undefined;
    const channel = createChannel(mask, {
      onHold() {
        if (timer) timer.refresh();
        else timer = setTimeout(() => release(stream), HOLD_MS).unref();
      },
      onHit: (names) => tell(names, name),
    });
    channels.set(fd, channel);
    maskStream(stream, channel);
  }
  // The app's own listeners come after this one.
  process.on("exit", () => {
    for (const [, stream] of streams) release(stream);
    for (const channel of channels.values()) channel.stopHolding();
  });
  maskFileWrites(channels);
  maskWorkers(mask, entrypoint, (names) => {
    mask.count(names);
    tell(names, "stdout or stderr, in a worker thread");
  });
  maskLastWords(mask, log, exit);
  const { _rawDebug } = process as unknown as { _rawDebug: (...args: unknown[]) => void };
  Object.assign(process, {
    _rawDebug: (...args: unknown[]) => _rawDebug("%s", mask.apply(format(...args))),
  });
}

function release(stream: Sink): void {
  if (stream.writable) stream.write(RELEASE);
}

/** Known by its identity: an app may write nothing, too, between two halves of a value. */
const RELEASE = Buffer.alloc(0);

/**
 * Below `write`, at the stream's own way out: return values, callbacks, order and back-pressure stay those of the stream, and
 * pino, which looks whether somebody has replaced `write`, does not see a difference.
 */
function maskStream(stream: Sink, channel: Channel): void {
  const { _write, _writev, _final } = stream;
  const pass = (chunk: Chunk, encoding: BufferEncoding) =>
    chunk === RELEASE ? channel.release() : channel.pass(chunk, encoding);
  stream._write = (chunk, encoding, done) => {
    const out = pass(chunk, encoding);
    if (out === chunk) return _write.call(stream, chunk, encoding, done);
    if (out.length === 0) return done();
    return _write.call(stream, out, "buffer" as BufferEncoding, done);
  };
  // An app may end its stdout, while something of it stays behind.
  stream._final = (done) => {
    const end = (error?: Error | null) => (error || !_final ? done(error) : _final.call(stream, done));
    const rest = channel.release();
    return rest.length > 0 ? _write.call(stream, rest, "buffer" as BufferEncoding, end) : end();
  };
  if (!_writev) return;
  stream._writev = (entries, done) => {
    let passed: Entry[] | undefined; // as most have nothing to hide, most of the time there is no need for a list of our own
    for (let index = 0; index < entries.length; index++) {
      const entry = entries[index] as Entry;
      const out = pass(entry.chunk, entry.encoding);
      if (out !== entry.chunk) passed ??= entries.slice(0, index);
      if (out === entry.chunk) passed?.push(entry);
      else if (out.length > 0) passed?.push({ chunk: out, encoding: "buffer" as BufferEncoding });
    }
    if (passed?.length === 0) return done();
    return _writev.call(stream, passed ?? entries, done);
  };
}

/** A leak is found where it happens, and once is enough to look for it. Not at once, as it is the stream's turn now. */
function createTeller(log: Log): (names: ReadonlySet<string>, stream: string) => void {
  const told = new Set<string>();
  const waiting: { readonly name: string; readonly stream: string }[] = [];
  const tellAll = () => {
    for (const { name, stream } of waiting.splice(0)) {
      const message = `the app was about to print ${name} on ${stream}; it was blanked out`;
      log("warn", "secret.masked", message, { name, stream });
    }
  };
  let isLeaving = false;
  process.on("exit", () => {
    isLeaving = true;
    tellAll();
  });
  return (names, stream) => {
    for (const name of names) {
      if (told.has(name)) continue;
      told.add(name);
      if (waiting.push({ name, stream }) === 1) isLeaving ? tellAll() : process.nextTick(tellAll);
    }
  };
}
