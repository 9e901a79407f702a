/** How long a start that failed waits before it ends, so that restarts don't turn one fault into a storm. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ErrorCode, SallyportError } from "./errors.ts";

/** Between these, so that a fleet does not come back in step. Before any of them only the manager has been asked; whom the guard refuses must not live on. */
const SHORT_MS: Partial<Record<ErrorCode, readonly [least: number, most: number]>> = {
  SECRET_DENIED: [0, 3_000],
  SETTINGS_INVALID: [0, 3_000],
  IDENTITY_REFUSED: [3_000, 7_000],
  MANAGER_ANSWER_INVALID: [3_000, 7_000],
  MANAGER_UNREACHABLE: [3_000, 7_000],
};
/** A shorter wait need not be told. */
export const TOLD_MS = 3_000;
/** Docker forgets what it has learnt of a crash loop, and restarts at once again, after a run of ten seconds. */
const FORGOTTEN_MS = 10_000;
const MARGIN_MS = 1_000;
/** After its start, where the next one would come too soon: without so wide a spread a large fleet stays in step (test/bench/crash-loop.ts). */
const APART_MS = { least: 60_000, spread: 240_000 };
/** Less than lies between two starts by Docker, and more than it takes to write a file. */
const SAME_START_MS = 250;
/** As Docker mounts it, and nobody else. */
const HOSTNAME_OF_DOCKER = /\/containers\/[0-9a-f]{64}\/hostname \/etc\/hostname /;

/** How the start that failed came about. */
export interface FailedStart {
  /** Since the process's start, in milliseconds. */
  readonly ranMs: number;
  /** The container has been started before. */
  readonly again: boolean;
}

/**
 * @param random from 0 to less than 1
 * @returns milliseconds
 * @see https://docs.docker.com/reference/cli/docker/container/run/#restart
 */
export function restartPauseMs(
  { code, rest }: SallyportError,
  { ranMs, again }: FailedStart,
  random: () => number,
): number {
  if (rest) {
    const { leastMs, mostMs, mostAgainMs = mostMs } = rest;
    return Math.round(leastMs + random() * ((again ? mostAgainMs : mostMs) - leastMs));
  }
  const [least, most] = SHORT_MS[code] ?? [0, 0];
  const shortMs = Math.floor(least + random() * (most - least));
  // Who has tried to reach it for so long need not be kept from trying.
  if (most === 0 || code === "MANAGER_UNREACHABLE") return shortMs;
  // What answers in the manager's place, as a proxy that is up before it, says nothing of the next start.
  const isLoop = again && code !== "MANAGER_ANSWER_INVALID";
  if (!isLoop && ranMs + shortMs < FORGOTTEN_MS - MARGIN_MS) return shortMs;
  return Math.max(0, Math.round(APART_MS.least + random() * APART_MS.spread - ranMs));
}

/** For a task whose end somebody waits for: only as long as its own tries would add up. @returns milliseconds */
export function taskPauseMs({ rest }: SallyportError): number {
  return rest?.apartMs ?? 0;
}

/**
 * Whether this is the process of a container that was started before: Docker makes `/etc/hostname` at the first start, and writes it
 * at each. A container that shares the network of another one has that one's file. Elsewhere, and where the file system does not
 * keep when a file was made, it can't be told: no.
 * @see https://github.com/moby/moby/blob/master/daemon/container/container_unix.go BuildHostnameFile
 */
export function isDockerRestart({ root = "/", pid = process.pid, ppid = process.ppid } = {}): boolean {
  // The container's own process, or what its init has started.
  if (pid !== 1 && ppid !== 1) return false;
  try {
    if (!HOSTNAME_OF_DOCKER.test(readFileSync(join(root, "proc/self/mountinfo"), "latin1"))) return false;
    const { birthtimeMs, mtimeMs } = statSync(join(root, "etc/hostname"));
    return birthtimeMs > 0 && mtimeMs - birthtimeMs >= SAME_START_MS;
  } catch {
    return false;
  }
}
