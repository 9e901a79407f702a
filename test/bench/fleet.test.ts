import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom, VirtualClock } from "./clock.ts";
import { simulateStart } from "./fleet.ts";
import { infisical, secretsManager } from "./quotas.ts";

const HOUR_MS = 3_600_000;

test("the virtual clock runs what is due in order, and nothing after the end", async () => {
  const clock = new VirtualClock();
  const seen: number[] = [];
  const note = () => void seen.push(clock.now);
  for (const ms of [30, 10, 20, 1_000]) clock.after(ms, note);
  void clock.sleep(10).then(() => clock.after(5, note));
  const cancel = clock.after(15, note);
  cancel();
  cancel();
  await clock.run(() => seen.length === 4);
  assert.deepEqual(seen, [10, 15, 20, 30]);
});

test("a thousand containers that start at once are ready within 1.5 times what AWS's quotas allow, and none fails", async () => {
  const all = [1, 2].map((seed) => simulateStart(secretsManager(20), 1_000, { seed }));
  for (const { ratio, failed, throttled } of await Promise.all(all)) {
    assert.ok(ratio <= 1.5, `${ratio}`);
    assert.equal(failed, 0);
    assert.ok(throttled > 0, "the quota was never reached");
  }
});

test("a hundred containers need one call each, and no second try", async () => {
  const { requests, throttled } = await simulateStart(secretsManager(20), 100);
  assert.deepEqual({ requests, throttled }, { requests: 100, throttled: 0 });
});

test("behind one address, Infisical's limit a minute is used up in each minute, and obeyed", async () => {
  const { ratio, failed } = await simulateStart(infisical, 1_000, { bootTimeoutMs: HOUR_MS });
  assert.ok(ratio <= 1.5, `${ratio}`);
  assert.equal(failed, 0);
  assert.equal((await simulateStart(infisical, 100)).failed, 0);
});

test("a simulation comes out the same for the same seed, and otherwise for another", async () => {
  const [first, again, other] = await Promise.all(
    [7, 7, 8].map((seed) => simulateStart(secretsManager(20), 900, { seed })),
  );
  assert.deepEqual(again, first);
  assert.notDeepEqual(other, first);
  assert.notEqual(createRandom(1)(), createRandom(2)());
});
