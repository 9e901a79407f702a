/** How long a start that failed waits before it ends, so that restarts don't turn one fault into a storm. */
import type { ErrorCode, SallyportError } from "./errors.ts";

/** Where no code of the app's has run, and no database was asked: until then only the manager can have made a start slow. */
const VERDICTS: readonly ErrorCode[] = ["SECRET_DENIED", "SETTINGS_INVALID", "GUARD_REFUSED"];
/** Of the manager itself. */
const REFUSALS: readonly ErrorCode[] = ["IDENTITY_REFUSED", "MANAGER_ANSWER_INVALID"];
/** Docker forgets what it has learnt of a crash loop, and restarts at once again, after a run of ten seconds. */
const FORGOTTEN_MS = 10_000;
const MARGIN_MS = 1_000;
/** After its start, where a run was too long for that: without so wide a spread a large fleet stays in step (test/bench/crash-loop.ts). */
const APART_MS = { least: 60_000, spread: 300_000 };
/** So that a fleet does not come back in step; a wait that is no longer need not be told. */
export const IN_STEP_MS = 3_000;

/**
 * @param ranMs since the process's start
 * @param random from 0 to 1
 * @returns milliseconds
 * @see https://docs.docker.com/reference/cli/docker/container/run/#restart
 */
export function restartPauseMs(error: SallyportError, ranMs: number, random: () => number): number {
  const { code, restMs } = error;
  const isVerdict = VERDICTS.includes(code);
  const isRefusal = REFUSALS.includes(code);
  if (restMs > 0) return Math.round(restMs * (1 + random()));
  if ((isVerdict || isRefusal) && ranMs >= FORGOTTEN_MS - MARGIN_MS)
    return Math.max(0, Math.round(APART_MS.least + random() * APART_MS.spread - ranMs));
  if (isRefusal || code === "MANAGER_UNREACHABLE") return Math.round(IN_STEP_MS + random() * 4_000);
  return isVerdict ? Math.round(random() * IN_STEP_MS) : 0;
}
