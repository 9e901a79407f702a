/** Who is told of a refresh, and what they can do to it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createSubscribers } from "../../entrypoint/app/subscribers.ts";

function open() {
  const lines: unknown[] = [];
  const stop = new AbortController();
  const log = () => {};
  const error = (message: string, reason: unknown) => void lines.push([message, reason]);
  return {
    lines,
    stop,
    subscribers: createSubscribers({ debug: log, info: log, warn: log, error: error as never }, stop.signal),
  };
}

test("all are told the names, and those that fail are counted and logged, whatever they throw", async () => {
  const { lines, subscribers } = open();
  const told: unknown[] = [];
  const failed = new Error("no");
  subscribers.add((changed) => told.push(changed));
  subscribers.add(() => Promise.reject(failed));
  subscribers.add(() => {
    throw null;
  });
  assert.equal(await subscribers.tell(["A", "B"]), 2);
  assert.deepEqual(told, [["A", "B"]]);
  assert.equal(lines.length, 2);
});

test("what one does to the names nobody else sees", async () => {
  const { subscribers } = open();
  const told: unknown[] = [];
  subscribers.add((changed) => (changed as string[]).push("ADDED"));
  subscribers.add((changed) => told.push(...changed));
  const changed = ["A"];
  assert.equal(await subscribers.tell(changed), 0);
  assert.deepEqual([changed, told], [["A"], ["A"]]);
});

test("a stop does not wait for one that hangs", async () => {
  const { stop, subscribers } = open();
  subscribers.add(() => new Promise(() => {}));
  const told = subscribers.tell(["A"]);
  stop.abort({ kind: "signal" });
  assert.equal(await told, 1);
});
