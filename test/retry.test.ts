import assert from "node:assert/strict";
import { test } from "node:test";
import type { SallyportError } from "../entrypoint/errors.ts";
import { retry, TransientError } from "../entrypoint/retry.ts";

/** Runs `retry` without waiting: what it would have waited is returned. */
async function waits(
  failures: readonly unknown[],
  {
    random = () => 1,
    signal = new AbortController().signal,
  }: { random?: () => number; signal?: AbortSignal } = {},
) {
  const waited: number[] = [];
  let tries = 0;
  const attempt = async () => {
    const failure = failures[tries++];
    if (failure) throw failure;
    return "done";
  };
  const sleep = async (ms: number) => void waited.push(ms);
  const result = await retry(attempt, { target: "the manager", signal, log: () => {}, random, sleep });
  return { waited, tries, result };
}

const passing = (retryAfterMs = 0) => new TransientError("HTTP 503", { retryAfterMs });

test("the bound grows by half from 100 ms to 5 s, and the wait is random below it", async () => {
  const failures = Array.from({ length: 12 }, () => passing());
  assert.deepEqual(
    (await waits(failures)).waited,
    [100, 150, 225, 338, 506, 759, 1139, 1709, 2563, 3844, 5000, 5000],
  );
  assert.deepEqual((await waits(failures.slice(0, 4), { random: () => 0.5 })).waited, [50, 75, 113, 169]);
});

test("after a try that got on, the bound is 100 ms again", async () => {
  const progressed = new TransientError("throttled", { progressed: true });
  assert.deepEqual((await waits([passing(), passing(), progressed, passing()])).waited, [100, 150, 100, 150]);
});

test("it never waits less than the other side asked, and spreads what it adds", async () => {
  assert.deepEqual((await waits([passing(3000)], { random: () => 0 })).waited, [3000]);
  assert.deepEqual((await waits([passing(3000)])).waited, [3100]);
});

test("a wait is never longer than a timer can be: it would fire at once", async () => {
  assert.deepEqual((await waits([passing(3_000_000_000)])).waited, [2 ** 31 - 1]);
});

test("anything but a TransientError is thrown at once", async () => {
  const fault = new Error("no");
  await assert.rejects(waits([fault]), fault);
});

test("a deadline becomes MANAGER_UNREACHABLE with the last reason; a stop stays the stop", async () => {
  const late = AbortSignal.abort(new DOMException("late", "TimeoutError"));
  await assert.rejects(waits([passing()], { signal: late }), { code: "MANAGER_UNREACHABLE" });
  const stop = { kind: "signal" };
  await assert.rejects(waits([], { signal: AbortSignal.abort(stop) }), (error) => error === stop);
});

test("the deadline may pass in mid-wait", async () => {
  const signal = AbortSignal.timeout(30);
  const attempt = async () => {
    throw passing(60_000);
  };
  await assert.rejects(
    retry(attempt, { target: "the manager", signal, log: () => {} }),
    (error: SallyportError) => {
      return error.code === "MANAGER_UNREACHABLE" && /the manager.*HTTP 503/.test(error.message);
    },
  );
});
