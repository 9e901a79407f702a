/** The handle against small objects: whatever code asks of it, it answers as the pool would. */
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { test } from "node:test";
import { inspect, isDeepStrictEqual } from "node:util";
import { createHandle } from "../../entrypoint/pool/handle.ts";
import type { Links } from "../../entrypoint/pool/pool-kind.ts";

class Client {}

class TestPool extends EventEmitter {
  readonly Client = Client;
  readonly options = { max: 1 };
  readonly #name: string;
  mark = 0;
  constructor(name: string) {
    super();
    this.#name = name;
  }
  get title() {
    return this.#name;
  }
  query(suffix = "") {
    return this.#name + suffix;
  }
  async connect() {
    return this;
  }
  chain() {
    return this;
  }
  later() {
    return () => this.query();
  }
  promise() {
    return { owner: () => this.query(), promised: true };
  }
  typed(suffix: string) {
    return { ask: () => this.query(suffix) };
  }
  end() {}
}

function pair(links?: Links) {
  const first = new TestPool("first");
  const second = new TestPool("second");
  const handle = createHandle(first, "test", links);
  return { first, second, handle, proxy: handle.proxy };
}

test("calls, getters and private fields are those of the current pool", () => {
  const { second, handle, proxy } = pair();
  assert.deepEqual([proxy.query(), proxy.query("!"), proxy.title], ["first", "first!", "first"]);
  handle.replace(second);
  assert.deepEqual([proxy.query(), proxy.query("!"), proxy.title], ["second", "second!", "second"]);
});

test("a method stays the same function, and calls the pool of the day", () => {
  const { second, handle, proxy } = pair();
  const { query } = proxy;
  assert.equal(proxy.query, query);
  handle.replace(second);
  assert.equal(proxy.query, query);
  assert.equal(Reflect.apply(query, undefined, []), "second");
  assert.deepEqual([query.name, query.length], ["query", 0]);
});

test("whoever looks what it is, finds the pool", () => {
  const { proxy } = pair();
  assert.ok(proxy instanceof TestPool);
  assert.ok(proxy instanceof EventEmitter);
  assert.equal(proxy.constructor, TestPool);
  assert.equal(Object.getPrototypeOf(proxy).constructor.name, "TestPool");
  assert.equal(proxy.Client, Client);
  assert.ok(new proxy.Client() instanceof Client);
  assert.ok("query" in proxy && "mark" in proxy && !("nothing" in proxy));
  assert.ok(Object.keys(proxy).includes("options"));
  assert.ok(Object.hasOwn(proxy, "mark") && !Object.hasOwn(proxy, "query"));
  assert.equal(Object.prototype.toString.call(proxy), "[object Object]");
  assert.equal((proxy as { then?: unknown }).then, undefined);
});

test("a frozen pool can be handed on, too", () => {
  const { proxy } = createHandle(Object.freeze({ a: 1, query: () => "frozen" }), "test");
  assert.deepEqual(Object.keys(proxy), ["a", "query"]);
  assert.equal(Object.getOwnPropertyDescriptor(proxy, "a")?.value, 1);
  assert.equal(proxy.query(), "frozen");
});

test("nobody can freeze the handle", () => {
  const { proxy } = pair();
  assert.throws(() => Object.freeze(proxy), TypeError);
});

test("what is written goes to the pool, but a function that replaces a method stays, and may call what it replaces", () => {
  const { first, second, handle, proxy } = pair();
  proxy.mark = 7;
  assert.equal(first.mark, 7);
  const { query } = proxy;
  proxy.query = function (this: TestPool) {
    return `wrapped ${query.call(this)}`;
  };
  assert.equal(proxy.query(), "wrapped first");
  handle.replace(second);
  assert.equal(proxy.query(), "wrapped second");
  assert.equal(second.query(), "second");
  delete (proxy as { query?: unknown }).query;
  assert.equal(proxy.query(), "second");
});

test("a mocked method is restored", (t) => {
  const { proxy } = pair();
  const mock = t.mock.method(proxy, "query", () => "mocked");
  assert.equal(proxy.query(), "mocked");
  mock.mock.restore();
  assert.equal(proxy.query(), "first");
});

test("a method that returns the pool returns the handle", () => {
  const { proxy } = pair();
  assert.equal(proxy.chain(), proxy);
});

test("a method of another object may be called with that object", () => {
  const { proxy, second } = pair();
  assert.equal(proxy.query.call(second), "second");
});

test("a pool that can be called can be called", () => {
  const callable = (name: string) => Object.assign((suffix: string) => name + suffix, { raw: () => name });
  const handle = createHandle(callable("first"), "test");
  assert.equal(typeof handle.proxy, "function");
  assert.equal(handle.proxy("!"), "first!");
  handle.replace(callable("second"));
  assert.deepEqual([handle.proxy("!"), handle.proxy.raw()], ["second!", "second"]);
});

test("a view follows the pool: without arguments it is always the same, with arguments it keeps them", () => {
  const { second, handle, proxy } = pair({ promise: "view", typed: "view" });
  const view = proxy.promise();
  assert.equal(proxy.promise(), view);
  const typed = proxy.typed("?");
  assert.deepEqual([view.owner(), view.promised, typed.ask()], ["first", true, "first?"]);
  handle.replace(second);
  assert.equal(proxy.promise(), view);
  assert.deepEqual([view.owner(), typed.ask()], ["second", "second?"]);
});

test("a property may be a view", () => {
  const make = (name: string) => ({ inner: { query: () => name } });
  const handle = createHandle(make("first"), "test", { inner: "view" });
  const { inner } = handle.proxy;
  assert.equal(handle.proxy.inner, inner);
  handle.replace(make("second"));
  assert.equal(inner.query(), "second");
});

test("what is made through the handle uses the pool of the day", () => {
  const { second, handle, proxy } = pair({ later: "through" });
  const later = proxy.later();
  handle.replace(second);
  assert.equal(later(), "second");
});

test("a method that resolves to the pool resolves to the handle", async () => {
  const { proxy } = pair({ connect: async () => {} });
  assert.equal(await proxy.connect(), proxy);
});

test("it notices that the app ends it, through a view, too", () => {
  const { handle, proxy } = pair({ end: "end" });
  assert.equal(handle.hasEnded, false);
  proxy.end();
  assert.equal(handle.hasEnded, true);
  const viewed = createHandle({ inner: { end() {} } }, "test", { inner: "view", end: "end" });
  viewed.proxy.inner.end();
  assert.equal(viewed.hasEnded, true);
});

test("it prints nothing of the pool's insides", () => {
  const { proxy } = createHandle(Object.assign(new TestPool("x"), { password: "canary" }), "shop");
  assert.equal(inspect(proxy), "[pool shop]");
  assert.doesNotMatch(inspect({ proxy }, { depth: 9, showHidden: true }), /canary/);
});

test("two handles of equal pools are equal", () => {
  assert.ok(isDeepStrictEqual(createHandle({ a: 1 }, "a").proxy, createHandle({ a: 1 }, "b").proxy));
});

test("listeners added through the handle follow it, others stay where they are", () => {
  const { first, second, handle, proxy } = pair();
  const heard: string[] = [];
  first.on("error", () => heard.push("of the pool itself"));
  assert.equal(
    proxy.on("error", (value) => heard.push(`on ${value}`)),
    proxy,
  );
  proxy.prependListener("error", (value) => heard.push(`before ${value}`));
  handle.replace(second);
  second.emit("error", 1);
  assert.deepEqual(heard.splice(0), ["before 1", "on 1"]);
  // What still runs on the old one is the app's.
  first.emit("error", 2);
  assert.deepEqual(heard.splice(0), ["before 2", "of the pool itself", "on 2"]);
});

test("a listener for once hears one pool, once", () => {
  const { first, second, handle, proxy } = pair();
  const heard: unknown[] = [];
  proxy.once("ready", (value) => heard.push(value));
  proxy.prependOnceListener("ready", (value) => heard.push(-value));
  handle.replace(second);
  second.emit("ready", 1);
  first.emit("ready", 2);
  second.emit("ready", 3);
  assert.deepEqual(heard, [-1, 1]);
});

test("a listener that is taken off is taken off everywhere", () => {
  const { first, second, handle, proxy } = pair();
  const heard: unknown[] = [];
  const listener = (value: unknown) => heard.push(value);
  proxy.on("a", listener).once("a", listener).on("b", listener);
  handle.replace(second);
  proxy.off("a", listener).removeListener("a", listener).removeAllListeners("b");
  for (const pool of [first, second]) for (const event of ["a", "b"]) pool.emit(event, event);
  assert.deepEqual(heard, []);
});

test("removeAllListeners leaves those that are not the app's", () => {
  const { first, proxy } = pair();
  first.on("error", () => {});
  proxy.on("error", () => {});
  proxy.removeAllListeners();
  assert.equal(first.listenerCount("error"), 1);
  assert.equal(proxy.listenerCount("error"), 1);
});

test("node:events can wait for it", async () => {
  const { second, handle, proxy } = pair();
  const told = once(proxy, "drained");
  handle.replace(second);
  second.emit("drained", 42);
  assert.deepEqual(await told, [42]);
});

test("a forgotten pool is not listened to any more when listeners come and go", () => {
  const { first, second, handle, proxy } = pair();
  handle.replace(second);
  handle.forget(first);
  proxy.on("a", () => {});
  assert.deepEqual([first.listenerCount("a"), second.listenerCount("a")], [0, 1]);
});

test("a pool that is not in use yet is heard where that is asked for, and each listener hears it once", () => {
  const { second, handle, proxy } = pair();
  const heard: string[] = [];
  for (const event of ["connect", "error"]) proxy.on(event, () => heard.push(event));
  handle.introduce(second, ["connect"]);
  second.emit("connect");
  assert.deepEqual([heard.splice(0), second.listenerCount("error")], [["connect"], 0]);
  handle.replace(second);
  second.emit("connect");
  second.emit("error");
  assert.deepEqual(heard, ["connect", "error"]);
});
