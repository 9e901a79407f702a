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
  /** In a text that is whole. */
  find(text: string): readonly Span[];
  /** `undefined` when nothing was found, not even a beginning at the end. */
  scan(text: string): Finding | undefined;
  /** The same for bytes, at less than it takes to make a text of them: `scan` of one character a byte would find nothing. */
  isClean(bytes: Uint8Array): boolean;
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
  if (shortest === undefined) return { find: () => [], scan: () => undefined, isClean: () => true };
  const width = Math.min(WIDEST, shortest.length);
  const table = createTable(ordered, width);
  const beginnings = collectBeginnings(ordered, width);
  return {
    find(text) {
      const first = nextCandidate(text, table.width - 1, table);
      return first < text.length ? findSpans(text, first, table, patterns).spans : [];
    },
    scan(text) {
      const first = nextCandidate(text, table.width - 1, table);
      // As it is with most lines: nothing in it, and nothing at its end.
      if (first >= text.length && !beginnings.mayEndIn(text.charCodeAt(text.length - 1))) return undefined;
      const { spans, pending } = findSpans(text, first, table, patterns);
      const from = Math.min(pending, text.length - beginnings.longestAtEnd(text));
      return spans.length > 0 || from < text.length ? { spans, pending: from } : undefined;
    },
    isClean(bytes) {
      if (hasPattern(bytes, table)) return false;
      if (!beginnings.mayEndIn(bytes[bytes.length - 1] ?? 0)) return true;
      return beginnings.longestAtEnd(String.fromCharCode(...bytes.subarray(-width))) === 0;
    },
  };
}

interface Table {
  readonly width: number;
  /** By slot: how far the window may be moved on. */
  readonly shifts: Uint8Array;
  /** By slot, where that is not at all: the patterns whose first window ends in it, the longest first. */
  readonly buckets: ReadonlyMap<number, readonly string[]>;
}

function createTable(patterns: readonly string[], width: number): Table {
  const shifts = new Uint8Array(SLOTS).fill(width - 2);
  const buckets = new Map<number, string[]>();
  for (const pattern of patterns) {
    noteShifts(pattern, width, shifts);
    const slot = slotOf(pattern, width - 1);
    const bucket = buckets.get(slot);
    if (bucket) bucket.push(pattern);
    else buckets.set(slot, [pattern]);
  }
  return { width, shifts, buckets };
}

/** A function by itself, as `noteEnds` is: a loop in a loop is so long that V8 would stop to optimize it, for once. */
function noteShifts(pattern: string, width: number, shifts: Uint8Array): void {
  for (let at = 2; at < width; at++) {
    const slot = slotOf(pattern, at);
    if ((shifts[slot] as number) > width - 1 - at) shifts[slot] = width - 1 - at;
  }
}

/** Where the next window ends that may be a pattern's first one; behind the text's end when there is none. */
function nextCandidate(text: string, from: number, { shifts }: Table): number {
  let at = from;
  for (const { length } = text; at < length; ) {
    const shift = shifts[slotOf(text, at)] as number;
    if (shift === 0) break;
    at += shift;
  }
  return at;
}

function findSpans(text: string, first: number, table: Table, names: ReadonlyMap<string, string>): Finding {
  const spans: Span[] = [];
  let pending = text.length;
  for (let at = first; at < text.length; at = nextCandidate(text, at + 1, table)) {
    const start = at - table.width + 1;
    for (const pattern of table.buckets.get(slotOf(text, at)) ?? []) {
      if (text.startsWith(pattern, start)) {
        join(spans, start, start + pattern.length, names.get(pattern) as string);
      } else if (pending === text.length && isBeginning(text, start, pattern)) {
        pending = start;
      }
    }
  }
  return { spans, pending };
}

/** Whether a pattern stands in the bytes, or begins in them and goes on behind their end. */
function hasPattern(bytes: Uint8Array, { width, shifts, buckets }: Table): boolean {
  const { length } = bytes;
  for (let at = width - 1; at < length; ) {
    const slot = hash(bytes[at - 2] as number, bytes[at - 1] as number, bytes[at] as number);
    const shift = shifts[slot] as number;
    if (shift > 0) {
      at += shift;
      continue;
    }
    const start = at++ - width + 1;
    if (buckets.get(slot)?.some((pattern) => isAt(bytes, start, pattern))) return true;
  }
  return false;
}

function isAt(bytes: Uint8Array, start: number, pattern: string): boolean {
  const length = Math.min(pattern.length, bytes.length - start);
  for (let at = 0; at < length; at++) {
    if (bytes[start + at] !== pattern.charCodeAt(at)) return false;
  }
  return true;
}

/** Of the three characters that end here. */
function slotOf(text: string, at: number): number {
  return hash(text.charCodeAt(at - 2), text.charCodeAt(at - 1), text.charCodeAt(at));
}

function hash(a: number, b: number, c: number): number {
  return ((a << 9) ^ (b << 5) ^ c) & (SLOTS - 1);
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
  /** Whether any of them ends in this character. */
  mayEndIn(code: number): boolean;
  /** How many of the last characters, fewer than a window, begin a pattern. */
  longestAtEnd(text: string): number;
}

function noteEnds(pattern: string, width: number, lengths: Uint16Array): void {
  for (let length = 1; length < width; length++) {
    const slot = pattern.charCodeAt(length - 1) & 0xff;
    lengths[slot] = (lengths[slot] as number) | (1 << length);
  }
}

/** Most lines end in a character in which no beginning ends, a line feed: for them it is one look into a table. */
function collectBeginnings(patterns: readonly string[], width: number): Beginnings {
  const lengths = new Uint16Array(256); // by the last character, a bit for each length
  for (const pattern of patterns) noteEnds(pattern, width, lengths);
  let all: Set<string> | undefined; // not before a write ends in the middle of a line
  return {
    mayEndIn: (code) => lengths[code & 0xff] !== 0,
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
