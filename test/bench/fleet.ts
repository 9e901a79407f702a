/** Containers that all start at once, against the published quotas of their manager: our own retries and plans, on a virtual clock. */
import { SallyportError } from "../../entrypoint/errors.ts";
import type { Pace } from "../../entrypoint/retry.ts";
import { restartPauseMs } from "../../entrypoint/run.ts";
import { createRandom, VirtualClock } from "./clock.ts";
import type { Endpoint, Manager } from "./quotas.ts";

export interface FleetResult {
  readonly manager: string;
  readonly containers: number;
  /** Until the last of them is ready, in milliseconds; and what the quota allows. */
  readonly lastMs: number;
  readonly boundMs: number;
  readonly ratio: number;
  /** Boots that ended without having read everything. */
  readonly failed: number;
  readonly requests: number;
  readonly throttled: number;
}

const BOOT_TIMEOUT_MS = 120_000;

export interface FleetOptions {
  readonly seed?: number;
  readonly bootTimeoutMs?: number;
}

export async function simulateStart(
  manager: Manager,
  containers: number,
  { seed = 1, bootTimeoutMs = BOOT_TIMEOUT_MS }: FleetOptions = {},
): Promise<FleetResult> {
  const clock = new VirtualClock();
  const random = createRandom(seed);
  const endpoint = manager.open(clock);
  let ready = 0;
  let failed = 0;
  const live = async () => {
    while (!(await bootOnce(endpoint, clock, random, bootTimeoutMs))) failed++;
    ready++;
  };
  for (let index = 0; index < containers; index++) void live();
  await clock.run(() => ready === containers);
  const boundMs = manager.boundMs(containers);
  const { requests, throttled } = endpoint.counts;
  const ratio = clock.now / boundMs;
  return {
    manager: manager.name,
    containers,
    lastMs: clock.now,
    boundMs,
    ratio,
    failed,
    requests,
    throttled,
  };
}

/** With the pause that follows a failed boot. @returns whether it was ready */
async function bootOnce(
  endpoint: Endpoint,
  clock: VirtualClock,
  random: () => number,
  bootTimeoutMs: number,
): Promise<boolean> {
  const deadline = new AbortController();
  clock.after(bootTimeoutMs, () => deadline.abort(new DOMException("the deadline passed", "TimeoutError")));
  const pace: Pace = { random, sleep: (ms, signal) => clock.sleep(ms, signal) };
  try {
    await endpoint.boot(deadline.signal, pace);
    return true;
  } catch (error) {
    if (!(error instanceof SallyportError)) throw error;
    await clock.sleep(restartPauseMs(error.code, random));
    return false;
  }
}

export interface LoopResult {
  /** Calls of the quota that is tried hardest, as a share of it, from the third minute to the fifth. */
  readonly share: number;
  /** Refused logins within 30 s, at most. */
  readonly refusals: number;
}

/** Docker's: doubling from 100 ms to a minute, and from the start again when a container has run for ten seconds. */
const RESTART_MS = { first: 100, longest: 60_000, forgottenAfter: 10_000 };
const MINUTE_MS = 60_000;

/** Every container reads what it wants, ends, and is started again. @param refuse each login is refused */
export async function simulateCrashLoop(
  manager: Manager,
  containers: number,
  { seed = 1, refuse = false }: { seed?: number; refuse?: boolean } = {},
): Promise<LoopResult> {
  const clock = new VirtualClock();
  const random = createRandom(seed);
  const endpoint = manager.open(clock);
  const refused: number[] = [];
  const login = async () => {
    refused.push(clock.now);
    await clock.sleep(restartPauseMs("IDENTITY_REFUSED", random));
  };
  const live = async () => {
    for (let waitMs = RESTART_MS.first; ; waitMs = Math.min(RESTART_MS.longest, waitMs * 2)) {
      const started = clock.now;
      await (refuse ? login() : bootOnce(endpoint, clock, random, BOOT_TIMEOUT_MS));
      if (clock.now - started > RESTART_MS.forgottenAfter) waitMs = RESTART_MS.first;
      await clock.sleep(waitMs);
    }
  };
  for (let index = 0; index < containers; index++) void live();
  await clock.run(() => clock.now >= 2 * MINUTE_MS);
  const before = endpoint.load();
  await clock.run(() => clock.now >= 5 * MINUTE_MS);
  const share = (endpoint.load() - before) / 3;
  return { share, refusals: Math.max(0, ...refused.map((at) => countWithin(refused, at, 30_000))) };
}

function countWithin(times: readonly number[], from: number, ms: number): number {
  return times.filter((at) => at >= from && at < from + ms).length;
}
