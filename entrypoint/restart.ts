/** How long a start that failed waits before it ends, so that restarts don't turn one fault into a storm. */
import type { SallyportError } from "./errors.ts";

/** Docker forgets what it has learnt of a crash loop, and restarts at once again, after a run of ten seconds. */
const FORGOTTEN_MS = 10_000;
const MARGIN_MS = 1_000;
/** After its start, where a run was too long for that: without so wide a spread a large fleet stays in step (test/bench/crash-loop.ts). */
const APART_MS = { least: 60_000, spread: 300_000 };

/**
 * @param ranMs since the process's start
 * @param random from 0 to 1
 * @returns milliseconds
 * @see https://docs.docker.com/reference/cli/docker/container/run/#restart
 */
export function restartPauseMs(error: SallyportError, ranMs: number, random: () => number): number {
  const { code, exitCode, restMs } = error;
  if (restMs > 0) return Math.round(restMs * (1 + random()));
  if (code.startsWith("MANAGER_") || code === "IDENTITY_REFUSED") return Math.round(1_000 + random() * 4_000);
  const needsPerson = exitCode >= 77 && exitCode <= 81;
  if (!needsPerson || ranMs < FORGOTTEN_MS - MARGIN_MS) return 0;
  return Math.max(0, Math.round(APART_MS.least + random() * APART_MS.spread - ranMs));
}
