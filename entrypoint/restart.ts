/** How long a start that failed waits before it ends, so that restarts don't turn one fault into a storm. */
import type { ErrorCode, SallyportError } from "./errors.ts";

/** What another start would meet again; before that, only the manager has been asked. A process that the guard has refused must not live on. */
const VERDICTS: readonly ErrorCode[] = ["SECRET_DENIED", "SETTINGS_INVALID"];
/** Of the manager itself. */
const REFUSALS: readonly ErrorCode[] = ["IDENTITY_REFUSED", "MANAGER_ANSWER_INVALID"];
/** Docker forgets what it has learnt of a crash loop, and restarts at once again, after a run of ten seconds. */
const FORGOTTEN_MS = 10_000;
const MARGIN_MS = 1_000;
/** After its start, where a run would be too long for that: without so wide a spread a large fleet stays in step (test/bench/crash-loop.ts). */
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
  if (restMs > 0) return Math.round(restMs * (1 + random()));
  const isVerdict = VERDICTS.includes(code);
  if (!isVerdict && !REFUSALS.includes(code) && code !== "MANAGER_UNREACHABLE") return 0;
  const shortMs = Math.round(isVerdict ? random() * IN_STEP_MS : IN_STEP_MS + random() * 4_000);
  // Who has tried to reach it for so long need not be kept from trying.
  if (code === "MANAGER_UNREACHABLE" || ranMs + shortMs < FORGOTTEN_MS - MARGIN_MS) return shortMs;
  return Math.max(0, Math.round(APART_MS.least + random() * APART_MS.spread - ranMs));
}
