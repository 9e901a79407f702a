import assert from "node:assert/strict";
import { test } from "node:test";
import { taskPauseMs } from "../../entrypoint/restart.ts";
import { simulateCrashLoop, simulateRefusals } from "./crash-loop.ts";
import { infisical, secretsManager } from "./quotas.ts";

test("a thousand containers in a crash loop ask for less than a minute's worth of AWS's quotas in every minute", async () => {
  const { storm, settled } = await simulateCrashLoop(secretsManager(20), 1_000);
  assert.ok(storm.share < 1, `${storm.share}`);
  assert.ok(settled.share > 0 && settled.share < 0.1, `${settled.share}`);
  assert.equal(settled.throttled, 0);
});

test("thirty that refuse to start behind one address stay within Infisical's limit", async () => {
  for (const seed of [1, 2, 3]) {
    const { storm, settled } = await simulateCrashLoop(infisical, 30, { seed });
    assert.ok(storm.share <= 1, `${storm.share}`);
    assert.equal(storm.throttled, 0);
    assert.ok(settled.share > 0 && settled.share < 0.2, `${settled.share}`);
  }
});

test("one container with a wrong secret, or two of them, never lock their identity", async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    assert.equal(await simulateRefusals(1, seed), 0);
    assert.equal(await simulateRefusals(2, seed), 0);
  }
});

test("a job that migrates, and is tried again at once for an hour, never locks it either", async () => {
  assert.equal(await simulateRefusals(1, 1, taskPauseMs), 0);
  assert.ok((await simulateRefusals(1, 1, () => 20_000)) > 0, "tries that are less apart do");
});

test("three that start at once lock it with their first tries, and seldom again", async () => {
  let locked = 0;
  for (let seed = 1; seed <= 20; seed++) locked += (await simulateRefusals(3, seed)) / 20;
  const oneLock = 5 / 60;
  assert.ok(locked >= oneLock && locked < 0.1, `${locked}`);
});
