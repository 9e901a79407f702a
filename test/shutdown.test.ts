/** The sequence of closing, by itself. What the process does around it is in test/process/shutdown.test.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Closer, closeAll } from "../entrypoint/shutdown.ts";

function closers(seen: string[], ...names: string[]): Closer[] {
  return names.map((name) => ({ name, close: () => void seen.push(name) }));
}

test("what was opened last closes first", async () => {
  const seen: string[] = [];
  const failed = await closeAll(closers(seen, "admin", "pool", "app"), 1_000, () => {});
  assert.deepEqual([seen, failed], [["app", "pool", "admin"], []]);
});

test("one that throws or rejects is named, without its words, and the others close", async () => {
  const seen: string[] = [];
  const lines: unknown[] = [];
  const [admin] = closers(seen, "admin");
  const pool = { name: "pool", close: () => Promise.reject(new TypeError("secret")) };
  const app = {
    name: "app",
    close: () => {
      throw Object.assign(new Error("secret"), { code: "ENOTCONN" });
    },
  };
  const failed = await closeAll([admin as Closer, pool, app], 1_000, (...line) => void lines.push(line));
  assert.deepEqual([seen, failed], [["admin"], ["app", "pool"]]);
  assert.match(JSON.stringify(lines), /app failed to close \(ENOTCONN\).*pool failed to close \(TypeError\)/);
  assert.doesNotMatch(JSON.stringify(lines), /secret/);
});

test("after the deadline only the one that hung is blamed, and the others close, too", async () => {
  const seen: string[] = [];
  const [admin, pool] = closers(seen, "admin", "pool");
  const app = { name: "app", close: () => new Promise(() => {}) };
  const failed = await closeAll([admin as Closer, pool as Closer, app], 10, () => {});
  assert.deepEqual([seen, failed], [["pool", "admin"], ["app"]]);
});

test("what is opened while something closes is closed, too", async () => {
  const seen: string[] = [];
  const list = closers(seen, "admin");
  list.push({ name: "app", close: () => void list.push(...closers(seen, "late")) });
  await closeAll(list, 1_000, () => {});
  assert.deepEqual(seen, ["late", "admin"]);
});
