/** What every pool must go through without dropping anything. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { openTunnel } from "../servers/tunnel.ts";
import { assertOnly, define, eventually, keepBusy, openHouse, PATIENCE_MS } from "./rotate.ts";
import type { Stage, Subject } from "./subjects.ts";

const ROTATIONS = 20;

export function rotationClaims(subject: Subject, stageOf: () => Stage): void {
  test("twenty rotations under load: nothing fails, nothing hangs, nothing of the old is left", async () => {
    const stage = stageOf();
    await using house = openHouse(stage.url("app_a"));
    const { pools, rotate } = house;
    const handle = pools.add(define(subject));
    const queries = keepBusy(12, () => subject.ask(handle));
    const pieces = keepBusy(3, async () => {
      const { finish } = await subject.begin(handle);
      await delay(5);
      await finish();
    });
    let most = 0;
    const watch = keepBusy(1, async () => {
      most = Math.max(most, (await stage.connections()).length);
    });
    for (let round = 0; round < ROTATIONS; round++) {
      const [from, to] = round % 2 ? (["app_b", "app_a"] as const) : (["app_a", "app_b"] as const);
      const { recycled } = await rotate(stage.url(to));
      assert.deepEqual(recycled, [{ name: subject.kind, from, to }]);
      // A handover of its own for each, so that the limit of one is what is seen.
      await eventually(() => pools.draining().length === 0, "the old pool is closed");
      await assertOnly(stage, [to]);
    }
    assert.ok((await queries.stop()) > ROTATIONS);
    assert.ok((await pieces.stop()) > 0);
    await watch.stop();
    assert.ok(most <= subject.most, `${most} connections at once`);
    await assertOnly(stage, ["app_a"]);
    assert.equal(await subject.ask(handle), "app_a");
    await pools.close(AbortSignal.timeout(PATIENCE_MS));
    await assertOnly(stage, []);
  });

  test("rotations that overtake one another drop nothing either", async () => {
    const stage = stageOf();
    await using house = openHouse(stage.url("app_a"));
    const { pools, rotate } = house;
    const handle = pools.add(define(subject));
    const queries = keepBusy(12, () => subject.ask(handle));
    for (let round = 0; round < ROTATIONS; round++) await rotate(stage.url(round % 2 ? "app_a" : "app_b"));
    await queries.stop();
    await eventually(() => pools.draining().length === 0, "all old pools are closed");
    await assertOnly(stage, ["app_a"]);
    await pools.close(AbortSignal.timeout(PATIENCE_MS));
    await assertOnly(stage, []);
  });

  test("what has begun on the old pool is finished, and new work goes to the new one", async () => {
    const stage = stageOf();
    await using house = openHouse(stage.url("app_a"));
    const { pools, rotate, lines } = house;
    const handle = pools.add(define(subject));
    const work = await subject.begin(handle);
    assert.equal(work.user, "app_a");
    await rotate(stage.url("app_b"));
    assert.equal(await subject.ask(handle), "app_b");
    if (subject.max) {
      assert.equal(pools.draining()[0]?.name, subject.kind);
      assert.ok((await stage.connections()).includes("app_a"));
    }
    await work.finish();
    await assertOnly(stage, ["app_b"]);
    await eventually(() => lines.some(({ event }) => event === "pool.drained"), "it says so");
    await pools.close(AbortSignal.timeout(PATIENCE_MS));
  });

  test("a method that was taken off the handle asks the pool of the day", async () => {
    const stage = stageOf();
    await using house = openHouse(stage.url("app_a"));
    const { pools, rotate } = house;
    const ask = subject.detach(pools.add(define(subject)));
    assert.equal(await ask(), "app_a");
    await rotate(stage.url("app_b"));
    assert.equal(await ask(), "app_b");
    await pools.close(AbortSignal.timeout(PATIENCE_MS));
  });

  test("connections that the server ends take nothing else with them, whichever pool they are of", async () => {
    const stage = stageOf();
    await using house = openHouse(stage.url("app_a"));
    const { pools, prepare, rotate } = house;
    const handle = pools.add(define(subject));
    await subject.ask(handle);
    const prepared = await prepare(stage.url("app_b"));
    await stage.sever();
    await eventually(
      () =>
        subject.ask(handle).then(
          (user) => user === "app_a",
          () => false,
        ),
      "the pool in use is back",
    );
    prepared.swap();
    await stage.sever();
    await eventually(
      () =>
        subject.ask(handle).then(
          (user) => user === "app_b",
          () => false,
        ),
      "the new one is",
    );
    await assertOnly(stage, ["app_b"]);
    await rotate(stage.url("app_a"));
    assert.equal(await subject.ask(handle), "app_a");
  });

  test("a pool that the app has ended is left alone", async () => {
    const stage = stageOf();
    await using house = openHouse(stage.url("app_a"));
    const { pools, rotate, lines } = house;
    const handle = pools.add(define(subject));
    await subject.ask(handle);
    await subject.end(handle);
    const { recycled } = await rotate(stage.url("app_b"));
    assert.deepEqual(recycled, []);
    assert.deepEqual(await pools.probe({ URL: stage.url("app_b") }, AbortSignal.timeout(PATIENCE_MS)), []);
    await pools.close(AbortSignal.timeout(PATIENCE_MS));
    assert.deepEqual(lines, []);
    await assertOnly(stage, []);
  });

  if (subject.max) poolClaims(subject, subject.max, stageOf);
}

/** Where there are several connections, they can all be taken. */
function poolClaims(subject: Subject, max: number, stageOf: () => Stage): void {
  test("who waits for a connection of the old pool gets one", async () => {
    const stage = stageOf();
    await using house = openHouse(stage.url("app_a"));
    const { pools, rotate } = house;
    const handle = pools.add(define(subject));
    const held = await Promise.all(Array.from({ length: max }, () => subject.begin(handle)));
    const waiting = Promise.all(Array.from({ length: 3 * max }, () => subject.ask(handle)));
    await rotate(stage.url("app_b"));
    const late = Array.from({ length: 3 * max }, () => subject.ask(handle));
    assert.deepEqual(new Set(await Promise.all(late)), new Set(["app_b"]));
    assert.ok((await stage.connections()).length <= max + 1);
    for (const { finish } of held) await finish();
    assert.deepEqual(new Set(await waiting), new Set(["app_a"]));
    await assertOnly(stage, ["app_b"]);
    // The new pool may be as large as the old one was.
    const all = await Promise.all(Array.from({ length: max }, () => subject.begin(handle)));
    for (const { finish } of all) await finish();
    await pools.close(AbortSignal.timeout(PATIENCE_MS));
  });

  test("an old server that is gone without a word does not keep the new pool small", async () => {
    const stage = stageOf();
    const url = new URL(stage.url("app_a"));
    await using tunnel = await openTunnel(Number(url.port));
    await using house = openHouse(Object.assign(url, { port: String(tunnel.port) }).href, 60_000);
    const { pools, rotate } = house;
    const handle = pools.add(define(subject));
    await Promise.all(Array.from({ length: max }, () => subject.ask(handle)));
    tunnel.silence();
    await rotate(stage.url("app_b"));
    const all = await Promise.all(Array.from({ length: max }, () => subject.begin(handle)));
    assert.ok(all.every(({ user }) => user === "app_b"));
    for (const { finish } of all) await finish();
    await eventually(() => pools.draining().length === 0, "nothing waits for it any more");
    await pools.close(AbortSignal.timeout(PATIENCE_MS));
  });

  test("what does not end before the deadline is cut, and counted", async () => {
    const stage = stageOf();
    await using house = openHouse(stage.url("app_a"), 100);
    const { pools, rotate, lines } = house;
    const handle = pools.add(define(subject));
    const { finish } = await subject.begin(handle);
    await rotate(stage.url("app_b"));
    await assertOnly(stage, ["app_b"]);
    await assert.rejects(finish());
    const forced = lines.find(({ event }) => event === "pool.forced");
    assert.deepEqual(forced?.fields, { name: subject.kind, count: 1 });
    assert.equal(await subject.ask(handle), "app_b");
    await pools.close(AbortSignal.timeout(PATIENCE_MS));
  });
}
