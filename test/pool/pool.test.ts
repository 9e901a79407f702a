/** The room itself, with pools of no library: what is refused when, what is told, and what is closed. */
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { after, describe, test } from "node:test";
import { inspect } from "node:util";
import type { SallyportError } from "../../entrypoint/errors.ts";
import { createPools, type PoolDefinition } from "../../entrypoint/pool/pool.ts";
import type { Settings } from "../../entrypoint/settings/settings.ts";

const SOON_MS = 100;

// Deadlines do not keep a process alive, and here there are no connections that would.
const alive = setInterval(() => {}, 1_000);
after(() => clearInterval(alive));

/** A pool of which it is known who made it, and whether it was closed. */
class TestPool extends EventEmitter {
  closed = 0;
  readonly url: string;
  constructor(url: string) {
    super();
    this.url = url;
  }
  ask() {
    return this.url;
  }
}

type Defined = Required<Omit<PoolDefinition<TestPool>, "name">> & { readonly name?: string };

function open(initial: Record<string, unknown> = { URL: "one", OTHER: "x" }, drainTimeoutMs = 1_000) {
  let values = initial;
  const settings = Object.create(null) as Settings;
  for (const name of Object.keys(initial)) Object.defineProperty(settings, name, { get: () => values[name] });
  const lines: { event: string; fields: unknown }[] = [];
  const made: TestPool[] = [];
  const pools = createPools({
    settings: Object.freeze(settings),
    log: (_level, event, _message, fields) => void lines.push({ event, fields }),
    drainTimeoutMs,
  });
  const prepare = (changed: Record<string, unknown>, signal = AbortSignal.timeout(5_000)) =>
    pools.prepare(new Set(Object.keys(changed)), { ...values, ...changed }, signal);
  return {
    pools,
    settings,
    lines,
    made,
    prepare,
    async rotate(changed: Record<string, unknown>) {
      const prepared = await prepare(changed);
      values = { ...values, ...changed };
      prepared.swap();
      return prepared;
    },
    setValues: (changed: Record<string, unknown>) => {
      values = { ...values, ...changed };
    },
    define: (more: Partial<Defined> = {}): Defined => ({
      uses: ["URL"],
      create({ URL: url }: Settings) {
        const pool = new TestPool(String(url));
        made.push(pool);
        return pool;
      },
      probe: async (pool: TestPool) => `user of ${pool.url}`,
      drain: async (pool: TestPool) => void pool.closed++,
      ...more,
    }),
  };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => assert.fail("it was not refused"),
    (error: SallyportError) => error,
  );

describe("what an app may give", () => {
  test("a pool of a library that nobody here knows needs probe and drain, and both are asked for", () => {
    const { pools, define } = open();
    const { probe, drain, ...bare } = define();
    assert.throws(
      () => pools.add(bare),
      /pg, mysql2, ioredis, redis, knex.* give it probe\(.*\) and drain\(/,
    );
    assert.throws(() => pools.add({ ...bare, probe }), /give it drain\(/);
    assert.throws(() => pools.add({ ...bare, drain }), /give it probe\(/);
    assert.equal(pools.add({ ...bare, probe, drain }).ask(), "one");
  });

  test("a create that gives nothing is told so", () => {
    const { pools, define } = open();
    for (const nothing of [undefined, null, "x"])
      assert.throws(() => pools.add(define({ create: (() => nothing) as never })), /gave no pool/);
  });

  test("uses names settings that there are", () => {
    const { pools, define } = open();
    assert.throws(() => pools.add(define({ uses: [] })), /the settings that it is made of/);
    assert.throws(
      () => pools.add(define({ uses: ["URL", "URI"] })),
      /uses names URI, and there is no such setting/,
    );
  });

  test("pools without a name are numbered, and no two are named alike", () => {
    const { pools, define } = open();
    for (let count = 0; count < 3; count++) pools.add(define());
    pools.add(define({ name: "reports" }));
    assert.throws(() => pools.add(define({ name: "reports" })), /two pools are named reports/);
  });

  test("a name is taken while its pool is being made, and free again if that fails", async () => {
    const { pools, define } = open();
    const { create } = define();
    const later = { ...define({ name: "reports" }), create: async (settings: Settings) => create(settings) };
    const fail = { ...later, create: () => Promise.reject(new Error("no")) };
    const failing = pools.add(fail);
    assert.throws(() => pools.add(later), /two pools are named reports/);
    await assert.rejects(failing);
    const making = pools.add(later);
    assert.throws(() => pools.add(later), /two pools are named reports/);
    await making;
    assert.throws(() => pools.add(later), /two pools are named reports/);
  });

  test("a setting that goes into a pool without being named is told once, by its name", async () => {
    const { pools, define, lines, rotate } = open();
    const { create } = define();
    const readMore = (settings: Settings) =>
      create({ URL: [settings.URL, settings.OTHER, settings.OTHER][0] });
    pools.add(define({ create: readMore }));
    assert.deepEqual(lines, [{ event: "pool.setting_undeclared", fields: { subject: "OTHER" } }]);
    await rotate({ URL: "two" });
    assert.equal(lines.filter(({ event }) => event === "pool.setting_undeclared").length, 1);
  });

  test("what create throws is thrown", async () => {
    const { pools, define } = open();
    const fail = () => {
      throw new Error("no");
    };
    assert.throws(() => pools.add(define({ create: fail })), /^Error: no$/);
    await assert.rejects(
      pools.add({ ...define(), create: async (): Promise<TestPool> => fail() }),
      /^Error: no$/,
    );
  });

  test("a library's own way of proving and draining gives way to the app's", async () => {
    const { pools, define, rotate } = open();
    const asked: string[] = [];
    pools.add(
      define({
        probe: async () => void asked.push("probe"),
        drain: async () => void asked.push("drain"),
      }),
    );
    const { recycled } = await rotate({ URL: "two" });
    assert.deepEqual(asked, ["probe", "drain"]);
    assert.deepEqual(recycled, [{ name: "pool", from: undefined, to: undefined }]);
  });
});

describe("a refresh", () => {
  test("touches only the pools whose settings changed", async () => {
    const { pools, define, rotate, made } = open();
    const first = pools.add(define());
    const second = pools.add(define({ name: "other", uses: ["OTHER"] }));
    const { recycled } = await rotate({ OTHER: "y" });
    assert.deepEqual(recycled, [{ name: "other", from: undefined, to: "user of one" }]);
    assert.deepEqual([made.length, first.ask(), second.ask()], [3, "one", "one"]);
    assert.deepEqual((await rotate({})).recycled, []);
  });

  test("changes nothing before the swap, everything at once with it, and closes the old ones", async () => {
    const { pools, define, prepare, made } = open();
    const handle = pools.add(define());
    const prepared = await prepare({ URL: "two" });
    assert.equal(handle.ask(), "one");
    prepared.swap();
    assert.equal(handle.ask(), "two");
    await settled();
    assert.deepEqual(
      made.map(({ url, closed }) => [url, closed]),
      [
        ["one", 1],
        ["two", 0],
      ],
    );
    assert.deepEqual(pools.draining(), []);
  });

  test("swaps once, and what is swapped can't be discarded", async () => {
    const { pools, define, prepare, made } = open();
    pools.add(define());
    const prepared = await prepare({ URL: "two" });
    prepared.swap();
    prepared.swap();
    await prepared.discard();
    await settled();
    assert.deepEqual(
      made.map(({ closed }) => closed),
      [1, 0],
    );
  });

  test("tells all problems, by the pools' names, and closes all that it had opened", async () => {
    const { pools, define, prepare, made } = open();
    const refuse = (code: string) => async (pool: TestPool) => {
      if (pool.url !== "one") throw Object.assign(new Error("of canary"), { code });
    };
    pools.add(define({ name: "good" }));
    pools.add(define({ name: "denied", probe: refuse("28P01") }));
    pools.add(define({ name: "away", probe: refuse("ECONNREFUSED") }));
    const error = await refusal(prepare({ URL: "two" }));
    assert.equal(error.code, "CREDENTIALS_REFUSED");
    assert.match(error.message, /for denied, away; nothing was changed/);
    assert.deepEqual(error.problems, [
      { subject: "denied", kind: "denied", message: "the server refused the login (28P01)" },
      { subject: "away", message: "the server can't be reached (ECONNREFUSED)" },
    ]);
    assert.doesNotMatch(inspect(error), /canary/);
    assert.deepEqual(
      made.map(({ closed }) => closed),
      [0, 0, 0, 1, 1, 1],
    );
  });

  const GONE = "it is made of URL, and that is not set any more; to go on without takes a restart";

  test("does not make a pool of a setting that is gone: a driver would take its own", async () => {
    for (const none of [undefined, null, ""]) {
      const { pools, define, prepare, rotate, made } = open({ URL: "one", OTHER: none });
      pools.add(define({ name: "cache", uses: ["URL", "OTHER"] }));
      const { code, problems } = await refusal(prepare({ URL: none }));
      const expected = [{ subject: "cache", kind: "missing", message: GONE }];
      assert.deepEqual([code, problems], ["CREDENTIALS_REFUSED", expected]);
      assert.equal(made.length, 1);
      // One that it has never had is none that it has lost.
      await rotate({ URL: "two" });
      assert.equal(made.length, 2);
    }
  });

  test("a pool that was added in mid-refresh stays as it is when its setting is gone after it", async () => {
    const { pools, define, prepare, setValues, lines, made } = open();
    const prepared = await prepare({ URL: undefined });
    pools.add(define());
    setValues({ URL: undefined });
    prepared.swap();
    await settled();
    assert.equal(made.length, 1);
    assert.deepEqual(
      lines.map(({ event }) => event),
      ["pool.outdated"],
    );
  });

  test("a pool that is still being made when its setting goes is refused, and closed", async () => {
    const { pools, define, prepare, setValues, made } = open();
    const { create } = define();
    const { promise, resolve } = Promise.withResolvers<void>();
    const late = { ...define(), create: (given: Settings) => promise.then(() => create(given)) };
    const adding = pools.add(late as unknown as PoolDefinition<Promise<TestPool>>);
    const prepared = await prepare({ URL: undefined });
    setValues({ URL: undefined });
    prepared.swap();
    resolve();
    await assert.rejects(adding, { message: `context.pool: ${GONE}` });
    assert.deepEqual(
      made.map(({ closed }) => closed),
      [1],
    );
  });

  test("that fails in create says so, and hides what create said", async () => {
    const { pools, define, prepare, settings } = open();
    const { create } = define();
    pools.add(
      define({
        create(given) {
          if (given.URL !== settings.URL) throw new TypeError("Invalid URL: canary");
          return create(given);
        },
      }),
    );
    const { problems } = await refusal(prepare({ URL: "two" }));
    assert.deepEqual(problems, [{ subject: "pool", message: "the pool does not work (TypeError)" }]);
  });

  test("needs a new pool, and leaves the one in use alone if it gets that", async () => {
    const { pools, define, prepare } = open();
    const pool = new TestPool("one");
    pools.add(define({ create: () => pool }));
    const { problems } = await refusal(prepare({ URL: "two" }));
    assert.match(problems[0]?.message ?? "", /create gave the pool that is in use/);
    assert.equal(pool.closed, 0);
  });

  test("needs one that is made of the settings it gives, whenever they are read", async () => {
    const { pools, define, prepare, made, settings } = open();
    const { create } = define();
    // The app's own settings are the old ones until the swap: it would log in as before, and count as proved.
    pools.add(define({ create: () => create(settings) }));
    const { problems } = await refusal(prepare({ URL: "two" }));
    assert.match(problems[0]?.message ?? "", /create reads nothing of the settings that it is given/);
    assert.deepEqual(
      made.map(({ closed }) => closed),
      [0, 1],
    );
    const [report] = await pools.probe(settings, AbortSignal.timeout(5_000));
    assert.deepEqual([report?.ok, /SETTINGS_UNREAD/.test(report?.problem ?? "")], [false, true]);
  });

  test("takes one that reads them only when it logs in", async () => {
    const { pools, define, rotate } = open();
    let given: Settings = {};
    const late = (settings: Settings) => {
      given = settings;
      return new TestPool("late");
    };
    pools.add(define({ create: late, probe: async () => String(given.URL) }));
    const { recycled } = await rotate({ URL: "two" });
    assert.equal(recycled[0]?.to, "two");
  });

  test("is not held up by a create or a probe that never answers", async () => {
    const { pools, define, prepare, made } = open();
    pools.add(define({ probe: () => new Promise(() => {}) }));
    const { problems } = await refusal(prepare({ URL: "two" }, AbortSignal.timeout(SOON_MS)));
    assert.deepEqual(problems, [{ subject: "pool", message: "the server did not answer in time" }]);
    assert.equal(made.at(-1)?.closed, 1);
  });

  test("tells why each failed, though another one used up the time of all", async () => {
    const { pools, define, prepare } = open();
    const refuse = async (pool: TestPool) => {
      if (pool.url !== "one") throw Object.assign(new Error("no"), { code: "28P01" });
    };
    pools.add(define({ name: "denied", probe: refuse }));
    pools.add(define({ name: "silent", probe: () => new Promise(() => {}) }));
    const { problems } = await refusal(prepare({ URL: "two" }, AbortSignal.timeout(SOON_MS)));
    assert.deepEqual(
      problems.map(({ subject, message }) => `${subject}: ${message}`),
      ["denied: the server refused the login (28P01)", "silent: the server did not answer in time"],
    );
  });

  test("closes what create makes when nobody waits for it any more", async () => {
    const { pools, define, prepare, made } = open();
    const { promise, resolve } = Promise.withResolvers<TestPool>();
    let isFirst = true;
    await pools.add({
      ...define(),
      async create(settings: Settings) {
        if (!isFirst) return promise;
        isFirst = false;
        return define().create(settings);
      },
    });
    await refusal(prepare({ URL: "two" }, AbortSignal.timeout(SOON_MS)));
    const late = new TestPool("late");
    resolve(late);
    await settled();
    assert.deepEqual([late.closed, made.length], [1, 1]);
  });

  test("that is stopped throws the reason of whoever stopped it", async () => {
    const { pools, define, prepare, made } = open();
    pools.add(define({ probe: () => new Promise(() => {}) }));
    const stop = new AbortController();
    const reason = { kind: "signal" };
    setTimeout(() => stop.abort(reason), 10);
    await assert.rejects(prepare({ URL: "two" }, stop.signal), (error) => error === (reason as unknown));
    assert.equal(made.at(-1)?.closed, 1);
  });

  test("also renews a pool that is added between proof and swap", async () => {
    const { pools, define, prepare, setValues } = open();
    const prepared = await prepare({ URL: "two" });
    const handle = pools.add(define());
    assert.equal(handle.ask(), "one");
    setValues({ URL: "two" });
    prepared.swap();
    await settled();
    assert.equal(handle.ask(), "two");
  });

  test("during which a pool is being made has it made again", async () => {
    const { pools, define, rotate, made } = open();
    const { promise, resolve } = Promise.withResolvers<void>();
    const adding = pools.add({
      ...define(),
      async create(settings: Settings) {
        const pool = define().create(settings);
        await promise;
        return pool;
      },
    });
    await rotate({ URL: "two" });
    resolve();
    assert.equal((await adding).ask(), "two");
    assert.deepEqual(
      made.map(({ url, closed }) => [url, closed]),
      [
        ["one", 1],
        ["two", 0],
      ],
    );
  });
});

describe("errors that nobody asked for", () => {
  const error = Object.assign(new Error("canary"), { code: "57P01" });

  test("of a pool in use do not end the process, and are told without their words", () => {
    const { pools, define, lines, made } = open();
    pools.add(define());
    made[0]?.emit("error", error);
    assert.deepEqual(lines, [{ event: "pool.errored", fields: { name: "pool" } }]);
  });

  test("are the app's if it listens", () => {
    const { pools, define, lines, made } = open();
    const heard: unknown[] = [];
    pools.add(define()).on("error", (it) => heard.push(it));
    made[0]?.emit("error", error);
    assert.deepEqual([heard, lines], [[error], []]);
  });

  test("of candidates and of old pools are nobody's", async () => {
    const { pools, define, lines, made, prepare } = open();
    pools.add(define());
    const prepared = await prepare({ URL: "two" });
    made[1]?.emit("error", error);
    prepared.swap();
    made[0]?.emit("error", error);
    assert.deepEqual(lines, []);
  });
});

describe("draining", () => {
  test("an old pool is listed until it is closed, with the time at which it became old", async () => {
    const { pools, define, rotate } = open();
    const { promise, resolve } = Promise.withResolvers<void>();
    pools.add(define({ name: "shop", drain: () => promise }));
    await rotate({ URL: "two" });
    const [old] = pools.draining();
    assert.equal(old?.name, "shop");
    assert.equal(new Date(old?.since ?? "").toISOString(), old?.since);
    resolve();
    await settled();
    assert.deepEqual(pools.draining(), []);
  });

  test("the app's drain is told when its time is over, and is left if it does not end then", async () => {
    const { pools, define, rotate, lines } = open(undefined, SOON_MS);
    const ended: unknown[] = [];
    pools.add(
      define({
        drain: (_pool, signal) =>
          new Promise((resolve) => {
            signal.addEventListener("abort", () => {
              ended.push(signal.reason.name);
              resolve();
            });
          }),
      }),
    );
    await rotate({ URL: "two" });
    await pools.close(AbortSignal.timeout(5_000));
    assert.deepEqual(ended, ["TimeoutError", "TimeoutError"]);
    assert.deepEqual(
      lines.map(({ event }) => event),
      ["pool.forced", "pool.forced"],
    );
  });

  test("a drain that fails is told, without its words", async () => {
    const { pools, define, rotate, lines } = open();
    pools.add(define({ drain: () => Promise.reject(new RangeError("canary")) }));
    await rotate({ URL: "two" });
    await settled();
    assert.deepEqual(lines, [{ event: "pool.forced", fields: { name: "pool" } }]);
    assert.deepEqual(pools.draining(), []);
  });

  test("close drains all, old and new, and nothing is added after it", async () => {
    const { pools, define, rotate, made } = open();
    pools.add(define());
    await rotate({ URL: "two" });
    pools.add(define());
    await pools.close(AbortSignal.timeout(5_000));
    await pools.close(AbortSignal.timeout(5_000));
    assert.deepEqual(
      made.map(({ closed }) => closed),
      [1, 1, 1],
    );
    assert.throws(() => pools.add(define()), /the process is leaving/);
  });
});
