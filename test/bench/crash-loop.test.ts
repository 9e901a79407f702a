import assert from "node:assert/strict";
import { test } from "node:test";
import { simulateCrashLoop, simulateRefusals } from "./crash-loop.ts";
import { infisical, secretsManager } from "./quotas.ts";

test("three hundred containers in a crash loop stay under AWS's quotas, and come to rest", async () => {
  const { storm, settled } = await simulateCrashLoop(secretsManager(20), 300);
  assert.ok(storm.share < 1, `${storm.share}`);
  assert.ok(settled.share > 0 && settled.share < storm.share / 2, `${settled.share} after ${storm.share}`);
  assert.equal(settled.throttled, 0);
});

test("ten containers that refuse to start behind one address come to ask Infisical once a minute each, and no more", async () => {
  for (const seed of [1, 2, 3]) {
    const { settled } = await simulateCrashLoop(infisical, 10, { seed });
    assert.ok(settled.share > 0.15 && settled.share < 0.2, `${settled.share}`);
    assert.equal(settled.throttled, 0);
  }
});

test("one container with a wrong secret, or two of them, never lock their identity", async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    assert.equal(await simulateRefusals(1, seed), 0);
    assert.equal(await simulateRefusals(2, seed), 0);
  }
});

test("three that start at once lock it, and leave it unlocked for most of an hour", async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const locked = await simulateRefusals(3, seed);
    assert.ok(locked > 0 && locked < 0.3, `${locked}`);
  }
});
