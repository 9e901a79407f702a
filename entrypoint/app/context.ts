/** What the app gets beside its settings. */
import type { Log, LogFields } from "../log.ts";
import type { PoolDefinition } from "../pool/definition.ts";
import { tellError } from "../told-error.ts";
import type { HealthCheck } from "./checks.ts";

/** The second argument of `start(settings, context)`. */
export interface Context<Settings extends object = Readonly<Record<string, unknown>>> {
  /** Aborted when the process is asked to stop. */
  readonly signal: AbortSignal;
  /** Writes in the entrypoint's own format; known secret values are blanked out. */
  readonly log: AppLog;
  /** Runs `close` during shutdown, last registered first, after the app's own close. */
  onShutdown(close: () => unknown): void;
  /** Makes `/health` and `healthcheck` depend on `check`: it fails by throwing, or by returning `false`. */
  health(name: string, check: HealthCheck): void;
  /**
   * A connection pool whose credentials rotate. What it returns behaves as the pool that `create` made, and is always the current one:
   * keep it, and give it to Drizzle, Kysely or Prisma's adapter as the pool itself.
   */
  pool<Made extends object>(definition: PoolDefinition<Made, Settings>): Made;
  /** Called after a refresh has swapped settings and pools, with the names of the settings that changed. */
  onRefresh(listener: RefreshListener): void;
  /** The settings as they are now, for reading several that belong together; a refresh does not change it. */
  snapshot(): Settings;
}

export type RefreshListener = (changed: readonly string[]) => unknown;

export type AppLog = Readonly<
  Record<"debug" | "info" | "warn" | "error", (message: string, fields?: LogFields) => void>
>;

export interface ContextParts extends Pick<Context, "pool" | "onRefresh" | "snapshot"> {
  readonly signal: AbortSignal;
  readonly log: AppLog;
  readonly onShutdown: (name: string, close: () => unknown) => void;
  readonly checks: Map<string, HealthCheck>;
}

export function createContext({ signal, onShutdown, onRefresh, checks, ...parts }: ContextParts): Context {
  // With the usual AbortError as its reason: what awaits it throws the reason, and ours means nothing to an app.
  const stop = new AbortController();
  signal.addEventListener("abort", () => stop.abort(), { once: true });
  return {
    ...parts,
    signal: stop.signal,
    onShutdown(close) {
      assertFunction("onShutdown(close)", close);
      onShutdown(close.name || "a shutdown function", close);
    },
    health(name, check) {
      assertFunction("health(name, check)", check);
      checks.set(name, check);
    },
    onRefresh(listener) {
      assertFunction("onRefresh(listener)", listener);
      onRefresh(listener);
    },
  };
}

/** Apps without types may give anything, and should hear of it now, not when it is called. */
function assertFunction(call: string, given: unknown): void {
  if (typeof given !== "function") throw new TypeError(`context.${call} needs a function`);
}

/** The entrypoint's log, for apps. */
export function createAppLog(log: Log): AppLog {
  const write = (level: keyof AppLog) => (message: string, fields?: LogFields) =>
    log(level, "app.logged", String(message), tryFields(fields));
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}

/** A log line must not be what ends an app: a getter or a Proxy may throw. */
function tryFields(given: unknown): LogFields {
  try {
    return toFields(given);
  } catch {
    return { detail: "(fields that can't be read)" };
  }
}

/** Apps without types log what they have. Of an error, what is on the list of `tellError` stays. */
function toFields(given: unknown): LogFields {
  if (given === undefined || given === null) return {};
  if (given instanceof Error) return toErrorFields(given);
  if (typeof given !== "object" || ArrayBuffer.isView(given)) return { detail: toField(given) };
  return toRecord(given, (value) => toField(value));
}

function toErrorFields(given: Error): LogFields {
  const { words, details, because, stack } = tellError(given);
  return { error: words, ...details, ...(because.length > 0 && { because }), stack };
}

function toField(value: unknown, isNested = false): LogFields[string] {
  if (value === undefined || ["string", "number", "boolean"].includes(typeof value)) return value as string;
  if (value instanceof Error) return tellError(value).words;
  if (value instanceof Date || value instanceof URL) return String(value.toJSON());
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`; // as numbers, nobody would know them for a secret
  if (Array.isArray(value)) return value.map((it) => String(toField(it, true)));
  if (typeof value !== "object" || value === null) return String(value);
  return isNested ? "[object]" : toRecord(value, (it) => toField(it, true) as string);
}

function toRecord<T>(given: object, convert: (value: unknown) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, convert(value)]));
}
