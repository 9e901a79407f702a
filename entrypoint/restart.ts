/** How long a start that failed waits before it ends, so that restarts don't turn one fault into a storm. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ErrorCode, SallyportError } from "./errors.ts";

/** What another start would meet again; before that, only the manager has been asked. A process that the guard has refused must not live on. */
const VERDICTS: readonly ErrorCode[] = ["SECRET_DENIED", "SETTINGS_INVALID"];
/** Of the manager itself. */
const REFUSALS: readonly ErrorCode[] = ["IDENTITY_REFUSED", "MANAGER_ANSWER_INVALID"];
/** Docker forgets what it has learnt of a crash loop, and restarts at once again, after a run of ten seconds. */
const FORGOTTEN_MS = 10_000;
const MARGIN_MS = 1_000;
/** After its start, where the next one would come too soon: without so wide a spread a large fleet stays in step (test/bench/crash-loop.ts). */
const APART_MS = { least: 60_000, spread: 240_000 };
/** So that a fleet does not come back in step; a wait that is no longer need not be told. */
export const IN_STEP_MS = 3_000;
/** Docker's shortest time between two starts. */
const SHORTEST_PAUSE_MS = 100;

/** How the start that failed came about. */
export interface FailedStart {
  /** Since the process's start, in milliseconds. */
  readonly ranMs: number;
  /** Docker has started this container before. */
  readonly again: boolean;
}

/**
 * @param random from 0 to 1
 * @returns milliseconds
 * @see https://docs.docker.com/reference/cli/docker/container/run/#restart
 */
export function restartPauseMs(
  { code, rest }: SallyportError,
  { ranMs, again }: FailedStart,
  random: () => number,
): number {
  if (rest) {
    const { leastMs, mostMs, mostAgainMs } = rest;
    return Math.round(leastMs + random() * ((again ? mostAgainMs : mostMs) - leastMs));
  }
  const isVerdict = VERDICTS.includes(code);
  if (!isVerdict && !REFUSALS.includes(code) && code !== "MANAGER_UNREACHABLE") return 0;
  const shortMs = Math.round(isVerdict ? random() * IN_STEP_MS : IN_STEP_MS + random() * 4_000);
  // Who has tried to reach it for so long need not be kept from trying.
  if (code === "MANAGER_UNREACHABLE") return shortMs;
  if (!again && ranMs + shortMs < FORGOTTEN_MS - MARGIN_MS) return shortMs;
  return Math.max(0, Math.round(APART_MS.least + random() * APART_MS.spread - ranMs));
}

/**
 * Whether this is the process of a container that Docker has started before: it makes `/etc/hostname` at the first start,
 * and writes it at each. Elsewhere, and where no file system keeps when a file was made, it can't be told: no.
 * @see https://github.com/moby/moby/blob/master/daemon/container/container_unix.go BuildHostnameFile
 */
export function isDockerRestart({ root = "/", pid = process.pid, ppid = process.ppid } = {}): boolean {
  // The container's own process, or what its init has started.
  if (pid !== 1 && ppid !== 1) return false;
  try {
    if (!existsSync(join(root, ".dockerenv"))) return false;
    const { birthtimeMs, mtimeMs } = statSync(join(root, "etc/hostname"));
    return birthtimeMs > 0 && mtimeMs - birthtimeMs >= SHORTEST_PAUSE_MS;
  } catch {
    return false;
  }
}
