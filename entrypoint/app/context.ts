/** What the app gets beside its settings. */
import { abortable } from "../abort.ts";
import type { Log, LogFields } from "../log.ts";

/** The second argument of `start(settings, context)`. */
export interface Context {
  /** Aborted when the process is asked to stop. */
  readonly signal: AbortSignal;
  /** Writes in the entrypoint's own format; known secret values are blanked out. */
  readonly log: AppLog;
  /** Runs `close` during shutdown, last registered first, after the app's own close. */
  onShutdown(close: () => unknown): void;
  /** Makes `/health` and `healthcheck` depend on `check`: it fails by throwing, or by returning `false`. */
  health(name: string, check: HealthCheck): void;
}

/** Gets a signal that is aborted when the answer would come too late. */
export type HealthCheck = (signal: AbortSignal) => unknown;

export type AppLog = Readonly<
  Record<"debug" | "info" | "warn" | "error", (message: string, fields?: LogFields) => void>
>;

export interface ContextParts {
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly onShutdown: (name: string, close: () => unknown) => void;
  readonly checks: Map<string, HealthCheck>;
}

export function createContext({ signal, log, onShutdown, checks }: ContextParts): Context {
  // With the usual AbortError as its reason: what awaits it throws the reason, and ours means nothing to an app.
  const stop = new AbortController();
  signal.addEventListener("abort", () => stop.abort(), { once: true });
  return {
    signal: stop.signal,
    log: createAppLog(log),
    onShutdown: (close) => onShutdown(close.name || "a shutdown function", close),
    health: (name, check) => void checks.set(name, check),
  };
}

/** The entrypoint's log, for apps. */
export function createAppLog(log: Log): AppLog {
  const write = (level: keyof AppLog) => (message: string, fields?: LogFields) =>
    log(level, "app.logged", String(message), toFields(fields));
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}

/** Apps without types log what they have. Drivers hang whole commands and URLs on their errors, so of those only the words stay. */
function toFields(given: unknown): LogFields {
  if (given === undefined || given === null) return {};
  if (given instanceof Error) return { error: `${given.name}: ${given.message}`, stack: given.stack };
  if (typeof given !== "object") return { detail: String(given) };
  return toRecord(given, (value) => toField(value));
}

function toField(value: unknown, isNested = false): LogFields[string] {
  if (value === undefined || ["string", "number", "boolean"].includes(typeof value)) return value as string;
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (Array.isArray(value)) return value.map((it) => String(toField(it, true)));
  if (typeof value !== "object" || value === null) return String(value);
  return isNested ? "[object]" : toRecord(value, (it) => toField(it, true) as string);
}

function toRecord<T>(given: object, convert: (value: unknown) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, convert(value)]));
}

const CHECK_TIMEOUT_MS = 3_000;

/** Whoever asks while checks run gets their result: anybody may ask, as often as they like. */
export function createRunner(
  checks: ReadonlyMap<string, HealthCheck>,
): () => Promise<Record<string, boolean>> {
  let running: Promise<Record<string, boolean>> | undefined;
  return () => {
    running ??= runChecks(checks).finally(() => {
      running = undefined;
    });
    return running;
  };
}

/** Runs all checks at once. Only pass or fail leaves this room: a check's error may quote anything. */
export async function runChecks(checks: ReadonlyMap<string, HealthCheck>): Promise<Record<string, boolean>> {
  const results = await Promise.all(
    [...checks].map(async ([name, check]) => [name, await passes(check)] as const),
  );
  return Object.fromEntries(results);
}

async function passes(check: HealthCheck): Promise<boolean> {
  const signal = AbortSignal.timeout(CHECK_TIMEOUT_MS);
  const asked = async () => check(signal);
  try {
    return (await abortable(asked(), signal)) !== false;
  } catch {
    return false;
  }
}
