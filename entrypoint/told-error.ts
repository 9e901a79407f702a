/** Ground floor: how a foreign error is told. Only what is on a list: drivers hang commands, parameters and URLs on theirs. */

/** What is told of an error beside its words. Names, numbers and places, never data. */
const DETAILS = [
  ...["code", "errno", "syscall", "address", "port"],
  ...["severity", "sqlState", "schema", "table", "column", "constraint", "statusCode"],
] as const;

type Details = Readonly<Partial<Record<(typeof DETAILS)[number], string | number>>>;

export interface ToldError {
  /** `TypeError: fetch failed (ECONNREFUSED)` */
  readonly words: string;
  readonly details: Details;
  readonly stack: string | undefined;
  /** What caused it, nearest first, in words. */
  readonly because: readonly string[];
}

const DEEPEST_CAUSE = 5;
const MOST_TOGETHER = 3;

export function tellError(error: unknown): ToldError {
  const [first, ...rest] = chainOf(error).map(wordsOf);
  const stack = read(error, "stack");
  return {
    words: first as string,
    details: Object.fromEntries(DETAILS.flatMap((name) => detail(error, name))),
    stack: isError(error) && typeof stack === "string" ? withoutValues(stack) : undefined,
    because: rest,
  };
}

/** An error that says no more than `tellError` does, for what prints errors by itself. */
export function strippedError(error: unknown): Error {
  const { words, details, stack, because } = tellError(error);
  const stripped = Object.assign(new Error([words, ...because].join("; because of ")), details);
  stripped.stack = stack ?? stripped.message;
  return stripped;
}

/** An error with what it names as its causes: `fetch failed` alone says nothing. */
function chainOf(error: unknown, depth = 0): unknown[] {
  if (!isError(error) || depth === DEEPEST_CAUSE) return [error];
  const together = read(error, "errors");
  const named = Array.isArray(together) ? together.slice(0, MOST_TOGETHER) : [read(error, "cause")];
  return [error, ...named.filter((it) => it !== undefined).flatMap((it) => chainOf(it, depth + 1))];
}

function wordsOf(error: unknown): string {
  if (typeof error === "string") return withoutValues(error);
  if (!isError(error)) return `something other than an Error (${typeof error})`;
  const [name, message] = [toText(read(error, "name")), toText(read(error, "message"))];
  const code = read(error, "code");
  return withoutValues(`${name}: ${message}${typeof code === "string" ? ` (${code})` : ""}`);
}

/** Of another realm, too: a worker's, a `vm` context's, Jest's. */
function isError(error: unknown): error is Error {
  try {
    return error instanceof Error || Object.prototype.toString.call(error) === "[object Error]";
  } catch {
    return false; // a Proxy whose traps throw
  }
}

/** A name may be a symbol, and a message an object that can't be told. */
function toText(value: unknown): string {
  try {
    return String(value);
  } catch {
    return `(${typeof value})`;
  }
}

function detail(error: unknown, name: string): [string, string | number][] {
  const value = isError(error) ? read(error, name) : undefined;
  if (typeof value === "number") return [[name, value]];
  return typeof value === "string" ? [[name, withoutValues(value)]] : [];
}

/** A getter may throw. */
function read(error: unknown, name: string): unknown {
  try {
    return (error as Record<string, unknown> | undefined)?.[name];
  } catch {
    return undefined;
  }
}

/** Drizzle puts the parameters of a failed query into the message. */
function withoutValues(text: string): string {
  return text.replace(/^params: .*$/gm, "params: [hidden]");
}
