/** Containers that fail again and again, under Docker's restarts, against the published quotas of their manager, on a virtual clock. */
import { type ErrorCode, SallyportError } from "../../entrypoint/errors.ts";
import { loginFault } from "../../entrypoint/provider/infisical/answers.ts";
import { restartPauseMs } from "../../entrypoint/restart.ts";
import { createRandom, VirtualClock } from "./clock.ts";
import { bootOnce } from "./fleet.ts";
import type { Manager, Quota } from "./quotas.ts";

export interface LoopResult {
  readonly manager: string;
  readonly containers: number;
  /** The worst of the first ten minutes. */
  readonly storm: Load;
  /** From the tenth minute to the fifteenth. */
  readonly settled: Load;
}

/** Of the quota that is tried hardest. */
export interface Load {
  /** Calls, as a share of it. */
  readonly share: number;
  /** How many of these calls were throttled, as a share of them. */
  readonly throttled: number;
}

/** Doubling, and from the start again when a container has run for ten seconds. https://docs.docker.com/reference/cli/docker/container/run/#restart */
const DOCKER = { firstMs: 100, longestMs: 60_000, forgottenMs: 10_000 };
const STORM_MINUTES = 10;
const SETTLED_MINUTES = 5;
const MINUTE_MS = 60_000;

/** Fails, waits as our process does, and is started again by Docker. */
async function restartForever(
  clock: VirtualClock,
  random: () => number,
  start: () => Promise<SallyportError>,
  pauseMs = restartPauseMs,
): Promise<never> {
  let waitMs = DOCKER.firstMs;
  for (let again = false; ; again = true) {
    const started = clock.now;
    const failure = await start();
    await clock.sleep(pauseMs(failure, { ranMs: clock.now - started, again }, random));
    if (clock.now - started > DOCKER.forgottenMs) waitMs = DOCKER.firstMs;
    await clock.sleep(waitMs);
    waitMs = Math.min(DOCKER.longestMs, waitMs * 2);
  }
}

/** Every container reads what it wants, and then refuses to start. */
export async function simulateCrashLoop(
  manager: Manager,
  containers: number,
  { seed = 1, code = "SETTINGS_INVALID" }: { seed?: number; code?: ErrorCode } = {},
): Promise<LoopResult> {
  const clock = new VirtualClock();
  const random = createRandom(seed);
  const endpoint = manager.open(clock);
  const verdict = new SallyportError(code, "as at each start");
  const start = async () => (await bootOnce(endpoint, clock, random)) ?? verdict;
  for (let index = 0; index < containers; index++) void restartForever(clock, random, start);
  const pass = async (minutes: number): Promise<Load> => {
    const before = endpoint.quotas.map(({ asked, refused }) => ({ asked, refused }));
    const until = clock.now + minutes * MINUTE_MS;
    await clock.run(() => clock.now >= until);
    return hardest(endpoint.quotas.map((quota, index) => loadSince(quota, before[index], minutes)));
  };
  const storm: Load[] = [];
  while (storm.length < STORM_MINUTES) storm.push(await pass(1));
  const settled = await pass(SETTLED_MINUTES);
  return { manager: manager.name, containers, storm: hardest(storm), settled };
}

function loadSince(
  { asked, refused, perMinute }: Quota,
  before: Pick<Quota, "asked" | "refused"> | undefined,
  minutes: number,
): Load {
  const calls = asked - (before?.asked ?? 0);
  const throttled = calls === 0 ? 0 : (refused - (before?.refused ?? 0)) / calls;
  return { share: calls / (perMinute * minutes), throttled };
}

function hardest(loads: readonly Load[]): Load {
  return loads.reduce((most, load) => (load.share > most.share ? load : most));
}

/**
 * Infisical's, as its server keeps it: a refusal is forgotten when none has followed it for half a minute, the third locks for five.
 * https://infisical.com/docs/documentation/platform/identities/universal-auth
 */
const LOCKOUT = { refusals: 3, forgottenMs: 30_000, lockedMs: 300_000 };
const HOUR_MS = 3_600_000;

/** Every container tries a wrong client secret, and waits as `run` does, unless another way is given. @returns how much of an hour their identity is locked, from 0 to 1 */
export async function simulateRefusals(
  containers: number,
  seed = 1,
  pauseMs = restartPauseMs,
): Promise<number> {
  const clock = new VirtualClock();
  const random = createRandom(seed);
  let refusals = 0;
  let lastMs = Number.NEGATIVE_INFINITY;
  let freeMs = 0;
  let lockedMs = 0;
  const start = async () => {
    if (clock.now < freeMs) return refusal("This identity auth method is temporarily locked");
    refusals = clock.now - lastMs > LOCKOUT.forgottenMs ? 1 : refusals + 1;
    lastMs = clock.now;
    if (refusals === LOCKOUT.refusals) {
      refusals = 0;
      freeMs = clock.now + LOCKOUT.lockedMs;
      lockedMs += Math.min(LOCKOUT.lockedMs, HOUR_MS - clock.now);
    }
    return refusal("Invalid credentials");
  };
  for (let index = 0; index < containers; index++) void restartForever(clock, random, start, pauseMs);
  await clock.run(() => clock.now >= HOUR_MS);
  return lockedMs / HOUR_MS;
}

function refusal(message: string): SallyportError {
  const body = JSON.stringify({ error: "UnauthorizedError", message });
  return loginFault({ status: 401, headers: {}, body }, "Infisical");
}
