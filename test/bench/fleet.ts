/** Containers that all start at once, against the published quotas of their manager: our own retries and plans, on a virtual clock. */
import { SallyportError } from "../../entrypoint/errors.ts";
import { restartPauseMs } from "../../entrypoint/restart.ts";
import type { Pace } from "../../entrypoint/retry.ts";
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
    for (let again = false; ; again = true) {
      const started = clock.now;
      const failure = await bootOnce(endpoint, clock, random, bootTimeoutMs);
      if (!failure) break;
      failed++;
      await clock.sleep(restartPauseMs(failure, { ranMs: clock.now - started, again }, random));
    }
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

/** @returns why it failed, or nothing */
export async function bootOnce(
  endpoint: Endpoint,
  clock: VirtualClock,
  random: () => number,
  bootTimeoutMs = BOOT_TIMEOUT_MS,
): Promise<SallyportError | undefined> {
  const deadline = new AbortController();
  const cancel = clock.after(bootTimeoutMs, () =>
    deadline.abort(new DOMException("the deadline passed", "TimeoutError")),
  );
  const pace: Pace = { random, sleep: (ms, signal) => clock.sleep(ms, signal) };
  try {
    await endpoint.boot(deadline.signal, pace);
    return undefined;
  } catch (error) {
    if (error instanceof SallyportError) return error;
    throw error;
  } finally {
    cancel();
  }
}
