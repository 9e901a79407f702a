/** What the app gets beside its settings. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { HealthCheck } from "../../entrypoint/app/checks.ts";
import { createAppLog, createContext } from "../../entrypoint/app/context.ts";

function open(signal = new AbortController().signal) {
  const lines: unknown[][] = [];
  const hooks: string[] = [];
  const checks = new Map<string, HealthCheck>();
  const context = createContext({
    signal,
    log: createAppLog((...line) => void lines.push(line)),
    onShutdown: (name) => void hooks.push(name),
    checks,
    pool: () => assert.fail("no pool is asked for"),
    onRefresh: () => {},
    snapshot: () => ({}),
  });
  return { context, lines, hooks, checks };
}

test("the log takes names and numbers as they are", () => {
  const { context, lines } = open();
  context.log.warn("slow", { ms: 12, table: "orders", tags: ["a"] });
  assert.deepEqual(lines, [["warn", "app.logged", "slow", { ms: 12, table: "orders", tags: ["a"] }]]);
});

test("the log keeps an error's words and drops what hangs on it", () => {
  const { context, lines } = open();
  const error = Object.assign(new Error("refused"), { command: { args: ["AUTH", "user", "secret"] } });
  context.log.error("no cache", error as never);
  context.log.error("no cache", { error, depth: { n: 1, a: { b: 1 } }, big: 1n, none: null } as never);
  const [[, , , given], [, , , nested]] = lines as [unknown[], unknown[]];
  assert.deepEqual(given, { error: "Error: refused", stack: error.stack });
  assert.deepEqual(nested, {
    error: "Error: refused",
    depth: { n: 1, a: "[object]" },
    big: "1",
    none: "null",
  });
});

test("the log tells bytes by their number alone, and times and addresses as text", () => {
  const { context, lines } = open();
  const fields = {
    key: Buffer.from("secret"),
    at: new Date(0),
    from: new URL("http://host/"),
    of: { key: new Uint8Array(2) },
  };
  context.log.info("told", fields as never);
  context.log.info("told", Buffer.from("secret") as never);
  assert.deepEqual(lines, [
    [
      ...["info", "app.logged", "told"],
      { key: "[6 bytes]", at: "1970-01-01T00:00:00.000Z", from: "http://host/", of: { key: "[2 bytes]" } },
    ],
    ["info", "app.logged", "told", { detail: "[6 bytes]" }],
  ]);
});

test("the log does not throw at the app for fields that throw", () => {
  const { context, lines } = open();
  const fields = {
    get broken() {
      throw new Error("no");
    },
  };
  context.log.info("told", fields as never);
  assert.deepEqual(lines, [["info", "app.logged", "told", { detail: "(fields that can't be read)" }]]);
});

test("the signal is aborted with the usual AbortError", () => {
  const stop = new AbortController();
  const { context } = open(stop.signal);
  assert.equal(context.signal.aborted, false);
  stop.abort({ kind: "signal" });
  assert.equal(context.signal.reason.name, "AbortError");
});

test("a shutdown function is known by its name", () => {
  const { context, hooks } = open();
  context.onShutdown(function flush() {});
  context.onShutdown(() => {});
  assert.deepEqual(hooks, ["flush", "a shutdown function"]);
});

test("what is to be called later has to be a function", () => {
  const { context } = open();
  const nothing = undefined as never;
  assert.throws(
    () => context.onShutdown(nothing),
    /^TypeError: context\.onShutdown\(close\) needs a function$/,
  );
  assert.throws(() => context.onRefresh(nothing), /context\.onRefresh\(listener\) needs a function/);
  assert.throws(() => context.health("queue", nothing), /context\.health\(name, check\) needs a function/);
});
