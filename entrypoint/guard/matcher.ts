/** Finds many patterns in a text at once, faster than the text can be written. */

/** A stretch of the text that values cover. */
export interface Span {
  readonly start: number;
  end: number;
  /** Of the leftmost pattern, the longest one first: what stands in its place. */
  readonly name: string;
  /** Of everything that stands in it. */
  readonly names: Set<string>;
}

export interface Finding {
  /** In order, apart from one another: what overlaps is one. */
  readonly spans: readonly Span[];
  /** From here on the text may be the beginning of a pattern; the text's length when it is not. */
  readonly pending: number;
}

export interface Matcher {
  /** `undefined` when nothing was found, not even a beginning at the end. */
  scan(text: string): Finding | undefined;
}

/** The more characters are looked at together, the more can be skipped, up to here. */
const WIDEST = 16;
/** Of a power of two, so that a hash is cut to size by a mask. 16 K entries stay in the processor's first cache. */
const SLOTS = 1 << 14;

/**
 * Wu and Manber's algorithm: the last three characters of a window as wide as the shortest pattern tell by how much it may be
 * moved on, which mostly is all of it. So the cost hardly grows with the number of patterns, where a regular expression or
 * a search for one after the other takes longer than the write itself. https://webglimpse.net/pubs/TR94-17.pdf
 * @param patterns to names; each of at least three characters
 */
export function createMatcher(patterns: ReadonlyMap<string, string>): Matcher {
  // The longest first, so that a value that begins with another is named for itself.
  const ordered = [...patterns.keys()].sort((a, b) => b.length - a.length);
  const shortest = ordered.at(-1);
  if (shortest === undefined) return { scan: () => undefined };
  const width = Math.min(WIDEST, shortest.length);
  const shifts = new Uint8Array(SLOTS).fill(width - 2);
  const buckets = new Map<number, string[]>();
  for (const pattern of ordered) {
    for (let at = 2; at < width; at++) {
      const slot = slotOf(pattern, at);
      shifts[slot] = Math.min(shifts[slot] as number, width - 1 - at);
    }
    const slot = slotOf(pattern, width - 1);
    const bucket = buckets.get(slot);
    if (bucket) bucket.push(pattern);
    else buckets.set(slot, [pattern]);
  }
  const beginnings = collectBeginnings(ordered, width);

  return {
    scan(text) {
      const { length } = text;
      let spans: Span[] | undefined;
      let pending = length;
      for (let at = width - 1; at < length; ) {
        const slot = slotOf(text, at);
        const shift = shifts[slot] as number;
        if (shift > 0) {
          at += shift;
          continue;
        }
        const start = at++ - width + 1;
        for (const pattern of buckets.get(slot) ?? []) {
          if (text.startsWith(pattern, start)) {
            spans ??= [];
            join(spans, start, start + pattern.length, patterns.get(pattern) as string);
          } else if (pending === length && isBeginning(text, start, pattern)) {
            pending = start;
          }
        }
      }
      pending = Math.min(pending, length - beginnings.longestAtEnd(text));
      return spans || pending < length ? { spans: spans ?? [], pending } : undefined;
    },
  };
}

/** A hash of the three characters that end here. */
function slotOf(text: string, at: number): number {
  return (
    ((text.charCodeAt(at - 2) << 9) ^ (text.charCodeAt(at - 1) << 5) ^ text.charCodeAt(at)) & (SLOTS - 1)
  );
}

/** The last character first: values that repeat themselves would be compared to their end, over and over. */
function isBeginning(text: string, start: number, pattern: string): boolean {
  const last = text.length - 1;
  if (start + pattern.length <= text.length || pattern[last - start] !== text[last]) return false;
  return pattern.startsWith(text.slice(start));
}

/** Spans come by their start. */
function join(spans: Span[], start: number, end: number, name: string): void {
  const last = spans.at(-1);
  if (!last || start >= last.end) spans.push({ start, end, name, names: new Set([name]) });
  else {
    last.end = Math.max(last.end, end);
    last.names.add(name);
  }
}

interface Beginnings {
  /** How many of the last characters, fewer than a window, begin a pattern. */
  longestAtEnd(text: string): number;
}

/** Most lines end in a character in which no beginning ends, a line feed: for them it is one look into a table. */
function collectBeginnings(patterns: readonly string[], width: number): Beginnings {
  const lengths = new Uint16Array(256); // by the last character, a bit for each length
  for (const pattern of patterns) {
    for (let length = 1; length < width; length++) {
      const slot = pattern.charCodeAt(length - 1) & 0xff;
      lengths[slot] = (lengths[slot] as number) | (1 << length);
    }
  }
  let all: Set<string> | undefined; // not before a write ends in the middle of a line
  return {
    longestAtEnd(text) {
      const bits = lengths[text.charCodeAt(text.length - 1) & 0xff] as number;
      if (bits === 0 || text.length === 0) return 0;
      all ??= new Set(
        patterns.flatMap((it) => Array.from({ length: width - 1 }, (_, at) => it.slice(0, at + 1))),
      );
      for (let length = Math.min(width - 1, text.length); length > 0; length--) {
        if (bits & (1 << length) && all.has(text.slice(-length))) return length;
      }
      return 0;
    },
  };
}
