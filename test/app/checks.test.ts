/** The app's own health checks. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createRunner, type HealthCheck, runChecks } from "../../entrypoint/app/checks.ts";

async function passed(checks: ReadonlyMap<string, HealthCheck>): Promise<Record<string, boolean>> {
  return Object.fromEntries(Object.entries(await runChecks(checks)).map(([name, { ok }]) => [name, ok]));
}

test("a check fails by throwing, by rejecting, by false, and by nothing else", async () => {
  const checks = new Map<string, HealthCheck>();
  checks.set("fine", () => undefined);
  checks.set("also fine", async () => 0);
  checks.set("throws", () => {
    throw new Error("down");
  });
  checks.set("rejects", () => Promise.reject(new Error("down")));
  checks.set("false", async () => false);
  assert.deepEqual(await passed(checks), {
    fine: true,
    "also fine": true,
    throws: false,
    rejects: false,
    false: false,
  });
});

test("a check that never answers fails, and is told so by its signal", async (t) => {
  t.mock.method(AbortSignal, "timeout", () => AbortSignal.abort());
  const checks = new Map<string, HealthCheck>();
  let told = false;
  checks.set("hangs", (signal) => {
    told = signal.aborted;
    return new Promise(() => {});
  });
  assert.deepEqual(await passed(checks), { hangs: false });
  assert.ok(told);
});

test("whoever asks while they run gets the same result", async () => {
  let runs = 0;
  const run = createRunner(new Map([["counted", async () => void runs++]]));
  assert.equal(run(), run());
  await run();
  await run();
  assert.equal(runs, 2);
});
