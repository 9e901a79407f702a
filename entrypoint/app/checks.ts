/** The app's own health checks. */
import { abortable } from "../abort.ts";

/** Gets a signal that is aborted when the answer would come too late. */
export type HealthCheck = (signal: AbortSignal) => unknown;

export interface CheckResult {
  readonly ok: boolean;
  readonly ms: number;
}

export type CheckResults = Readonly<Record<string, CheckResult>>;

const CHECK_TIMEOUT_MS = 3_000;

/** Whoever asks while checks run gets their result: anybody may ask, as often as they like. */
export function createRunner(checks: ReadonlyMap<string, HealthCheck>): () => Promise<CheckResults> {
  let running: Promise<CheckResults> | undefined;
  return () => {
    running ??= runChecks(checks).finally(() => {
      running = undefined;
    });
    return running;
  };
}

/** Runs all checks at once. Only pass or fail and the time leave this room: a check's error may quote anything. */
export async function runChecks(checks: ReadonlyMap<string, HealthCheck>): Promise<CheckResults> {
  const results = await Promise.all(
    [...checks].map(async ([name, check]) => {
      const started = performance.now();
      const ok = await passes(check);
      return [name, { ok, ms: Math.round(performance.now() - started) }] as const;
    }),
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
