/** Refresh: fetch → validate → prove → swap → drain, one at a time. Until everything is proved, nothing is touched. */
import { errorName, SallyportError } from "./errors.ts";
import { logCause } from "./failure.ts";
import type { Log } from "./log.ts";
import type { Recycled } from "./pool/pool.ts";
import type { Comparison } from "./settings/compare.ts";
import type { Status } from "./status.ts";

/** Who asked: `socket`, `tcp` or `SIGHUP`. */
export type Asker = "socket" | "tcp" | "SIGHUP";

/** New values and pools that work, and are not in use yet. */
export interface Proved {
  readonly pools: readonly Recycled[];
  /** Can't fail and doesn't wait. */
  swap(): void;
  /** Closes what was opened for it. */
  discard(): Promise<void>;
}

export interface RefreshParts {
  readonly status: Status;
  readonly log: Log;
  /** Aborted when the process is asked to stop. */
  readonly stop: AbortSignal;
  /** For all of it up to the swap. */
  readonly timeoutMs: number;
  /** A fresh login and a fresh fetch, valid as a whole, held against what is in use. @throws {SallyportError} */
  load(timeoutMs: number): Promise<Comparison>;
  /** @throws {SallyportError} CREDENTIALS_REFUSED with all that does not work, when nothing of it is left open */
  prove(comparison: Comparison, timeoutMs: number): Promise<Proved>;
  /** Tells the app. @returns how many of its functions failed */
  tell(changed: readonly string[]): Promise<number>;
}

export interface Refreshed {
  readonly ms: number;
  /** Names of settings. */
  readonly changed: readonly string[];
  readonly pools: readonly Recycled[];
  /** The app's functions that were told of it and failed; what they were told of is in use all the same. */
  readonly failedSubscribers: number;
}

export interface Refresh {
  /** @throws {SallyportError} when it was refused; settings, pools and subscribers are then as they were */
  run(by: Asker): Promise<Refreshed>;
  isRunning(): boolean;
  /** Resolves when nothing of it runs any more. */
  settled(): Promise<void>;
}

export function createRefresh(parts: RefreshParts): Refresh {
  const { status, log } = parts;
  let running: Promise<Refreshed> | undefined;
  return {
    async run(by) {
      const refused = refuse(status, running !== undefined);
      if (refused) {
        log("warn", "refresh.refused", refused.message, { code: refused.code, by });
        throw refused;
      }
      running = refresh(parts, by).finally(() => {
        running = undefined;
      });
      return running;
    },
    isRunning: () => running !== undefined,
    settled: async () => void (await running?.catch(() => {})),
  };
}

function refuse({ phase }: Status, isRunning: boolean): SallyportError | undefined {
  if (isRunning) return new SallyportError("REFRESH_RUNNING", "another refresh is running");
  return phase === "ready"
    ? undefined
    : new SallyportError("NOT_READY", `the container is not ready: it is in phase ${phase}`);
}

async function refresh(parts: RefreshParts, by: Asker): Promise<Refreshed> {
  const { status, log } = parts;
  const started = performance.now();
  const at = new Date().toISOString();
  const elapsed = () => Math.round(performance.now() - started);
  log("info", "refresh.started", `refreshing, as asked by ${by}`, { by });
  try {
    const { changed, pools, failedSubscribers } = await exchange(parts, elapsed);
    const ms = elapsed();
    status.refresh = { at, by, ms, done: true, changed, pools };
    const what = changed.length === 0 ? "nothing changed" : `${changed.join(", ")} changed`;
    log("info", "refresh.completed", `refreshed in ${ms} ms: ${what}`, {
      ms,
      changed,
      pools: pools.map(({ name, from = "?", to = "?" }) => `${name}: ${from} → ${to}`),
    });
    return { ms, changed, pools, failedSubscribers };
  } catch (thrown) {
    const error = explain(thrown, parts);
    const ms = elapsed();
    status.refresh = { at, by, ms, done: false, code: error.code, message: error.message };
    logRefusal(log, error, ms);
    throw error;
  }
}

async function exchange(parts: RefreshParts, elapsed: () => number): Promise<Omit<Refreshed, "ms">> {
  const { stop, timeoutMs } = parts;
  const comparison = await parts.load(timeoutMs);
  const { changed } = comparison;
  const proved = await parts.prove(comparison, timeoutMs - elapsed());
  if (stop.aborted) {
    await proved.discard();
    throw stop.reason;
  }
  proved.swap();
  const failedSubscribers = changed.length === 0 ? 0 : await parts.tell(changed);
  return { changed, pools: proved.pools, failedSubscribers };
}

function explain(thrown: unknown, { stop }: RefreshParts): SallyportError {
  if (stop.aborted) return new SallyportError("NOT_READY", "the container was asked to stop in mid-refresh");
  if (thrown instanceof SallyportError) return thrown;
  return new SallyportError("INTERNAL", `the refresh failed (${errorName(thrown)})`, { cause: thrown });
}

function logRefusal(log: Log, { code, message, problems, cause }: SallyportError, ms: number): void {
  if (code === "INTERNAL") logCause(log, cause);
  for (const { subject, message } of problems) log("error", "problem.found", message, { subject });
  log("error", "refresh.refused", `${message}; nothing was changed`, { code, ms });
}
