/** What the app gets beside its settings. */
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
  const write = (level: keyof AppLog) => (message: string, fields?: LogFields) =>
    log(level, "app.logged", message, fields);
  return {
    signal,
    log: { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") },
    onShutdown: (close) => onShutdown(close.name || "a shutdown function", close),
    health: (name, check) => void checks.set(name, check),
  };
}

const CHECK_TIMEOUT_MS = 3_000;

/** Runs all checks at once. Only pass or fail leaves this room: a check's error may quote anything. */
export async function runChecks(checks: ReadonlyMap<string, HealthCheck>): Promise<Record<string, boolean>> {
  const results = await Promise.all(
    [...checks].map(async ([name, check]) => [name, await passes(check)] as const),
  );
  return Object.fromEntries(results);
}

async function passes(check: HealthCheck): Promise<boolean> {
  const signal = AbortSignal.timeout(CHECK_TIMEOUT_MS);
  const late = new Promise<false>((resolve) =>
    signal.addEventListener("abort", () => resolve(false), { once: true }),
  );
  try {
    return (await Promise.race([check(signal), late])) !== false;
  } catch {
    return false;
  }
}
