/** What a Redis connection carries beside its commands, and what becomes of it when the credentials change. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Redis } from "ioredis";
import { createClient, WatchError } from "redis";
import { noRedis } from "../servers/redis.ts";
import { assertOnly, define, eventually, openHouse, PATIENCE_MS } from "./rotate.ts";
import { type Stage, SUBJECTS, type Subject } from "./subjects.ts";

type Client = ReturnType<typeof createClient>;

/** What both can, each in his own words. */
function pop(client: Client | Redis, list: string, seconds: number): Promise<unknown> {
  return "blPop" in client ? client.blPop(list, seconds) : client.blpop(list, seconds);
}

function scan(client: Client | Redis, match: string): AsyncIterable<string[]> {
  if (!("scanIterator" in client)) return client.scanStream({ match, count: 10 });
  return client.scanIterator({ MATCH: match, COUNT: 10 }) as AsyncIterable<string[]>;
}

const subjectOf = (name: string) => SUBJECTS.find((it) => it.name === name) as Subject;

describe("redis clients", { skip: noRedis }, () => {
  let stage: Stage;
  before(async () => {
    stage = await subjectOf("redis").start();
  });
  after(() => stage?.[Symbol.asyncDispose]());

  const openRedis = async () => {
    const house = openHouse(stage.url("app_a"));
    const subject = subjectOf("redis") as Subject<Client>;
    const client = house.pools.add(define(subject));
    return {
      house,
      client,
      rotate: () => house.rotate(stage.url("app_b")),
      [Symbol.asyncDispose]: house[Symbol.asyncDispose],
    };
  };
  const openIoredis = async () => {
    const house = openHouse(stage.url("app_a"));
    const client = house.pools.add(define(subjectOf("ioredis") as Subject<Redis>));
    return {
      house,
      client,
      rotate: () => house.rotate(stage.url("app_b")),
      [Symbol.asyncDispose]: house[Symbol.asyncDispose],
    };
  };
  const publish = async (channel: string, message: string) => {
    const publisher = new Redis(stage.url("app_b"));
    await publisher.publish(channel, message);
    await publisher.quit();
  };

  test("redis: a client may be opened by the app, by nobody, and twice", async () => {
    await using it = await openRedis();
    assert.equal(await it.client.aclWhoAmI(), "app_a");
    assert.equal(await it.client.connect(), it.client);
    await it.rotate();
    assert.equal(await it.client.connect(), it.client);
    assert.equal(await it.client.aclWhoAmI(), "app_b");
  });

  test("redis: a pool may be made of a promise", async () => {
    await using house = openHouse(stage.url("app_a"));
    const client = await house.pools.add({
      uses: ["URL"],
      create: async (settings) => await createClient({ url: String(settings.URL) }).connect(),
    });
    assert.equal(await client.aclWhoAmI(), "app_a");
    await house.rotate(stage.url("app_b"));
    assert.equal(await client.aclWhoAmI(), "app_b");
    await assertOnly(stage, ["app_b"]);
  });

  for (const [name, open] of [
    ["redis", openRedis],
    ["ioredis", openIoredis],
  ] as const) {
    test(`${name}: who waits in a blocking command gets his answer`, async () => {
      await using it = await open();
      const popped = pop(it.client, "list", 5);
      await it.rotate();
      const pusher = new Redis(stage.url("app_b"));
      await pusher.rpush("list", "item");
      await pusher.quit();
      assert.match(JSON.stringify(await popped), /item/);
      await assertOnly(stage, ["app_b"]);
    });

    test(`${name}: a transaction that was begun before the swap is sent whole, by the new client`, async () => {
      await using it = await open();
      const transaction = it.client.multi().set("sum", "1").incr("sum");
      await it.rotate();
      await assertOnly(stage, ["app_b"]);
      assert.match(JSON.stringify(await transaction.exec()), /2/);
    });

    test(`${name}: a blocking command that outlasts the deadline fails, and is counted`, async () => {
      await using house = openHouse(stage.url("app_a"), 300);
      const client = house.pools.add(define(subjectOf(name)));
      await eventually(async () => (await stage.connections()).includes("app_a"), "it is connected");
      const popped = assert.rejects(pop(client as Client | Redis, "nothing", 0));
      await house.rotate(stage.url("app_b"));
      await popped;
      const forced = house.lines.find(({ event }) => event === "pool.forced");
      assert.deepEqual(forced?.fields, { name, count: 1 });
      await assertOnly(stage, ["app_b"]);
    });

    test(`${name}: a long scan goes on with the new client`, async () => {
      await using it = await open();
      const filler = new Redis(stage.url("app_a"));
      await filler.mset(Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`scan:${n}`, "1"])));
      await filler.quit();
      const pages = scan(it.client, "scan:*");
      const found = new Set<string>();
      let isRotated = false;
      for await (const keys of pages) {
        for (const key of keys) found.add(key);
        if (!isRotated && found.size > 50) {
          isRotated = true;
          await it.rotate();
          await assertOnly(stage, ["app_b"]);
        }
      }
      assert.ok(isRotated);
      assert.equal(found.size, 500);
    });
  }

  test("redis: a transaction that watched a key on the old connection does not go through unwatched", async () => {
    await using it = await openRedis();
    await it.client.set("watched", "1");
    await it.client.watch("watched");
    const transaction = it.client.multi().set("watched", "2");
    await it.rotate();
    await assert.rejects(transaction.exec(), WatchError);
    assert.equal(await it.client.get("watched"), "1");
    // And the next attempt does.
    await it.client.watch("watched");
    await it.client.multi().set("watched", "3").exec();
    assert.equal(await it.client.get("watched"), "3");
  });

  test("redis: a client with other types in its answers follows", async () => {
    await using it = await openRedis();
    const buffers = it.client.withTypeMapping({ 36: Buffer });
    assert.deepEqual(await buffers.aclWhoAmI(), Buffer.from("app_a"));
    await it.rotate();
    assert.deepEqual(await buffers.aclWhoAmI(), Buffer.from("app_b"));
  });

  test("redis: subscriptions go on, and no message is lost", async () => {
    await using it = await openRedis();
    const heard: string[] = [];
    await it.client.subscribe("news", (message) => heard.push(message));
    await it.client.pSubscribe("new?", (message) => heard.push(`pattern ${message}`));
    await publish("news", "one");
    await it.rotate();
    await publish("news", "two");
    await assertOnly(stage, ["app_b"]);
    await publish("news", "three");
    await eventually(() => heard.includes("three") && heard.includes("pattern three"), "the last is heard");
    for (const message of ["one", "two", "three"])
      assert.ok(heard.includes(message) && heard.includes(`pattern ${message}`));
    assert.equal(heard.filter((message) => message === "three").length, 1);
  });

  test("ioredis: subscriptions go on, and no message is lost", async () => {
    await using it = await openIoredis();
    const heard: string[] = [];
    it.client.on("message", (_channel, message) => heard.push(message));
    await it.client.subscribe("news");
    await publish("news", "one");
    await it.rotate();
    await publish("news", "two");
    await assertOnly(stage, ["app_b"]);
    await publish("news", "three");
    await eventually(() => heard.includes("three"), "the last is heard");
    assert.deepEqual([...new Set(heard)], ["one", "two", "three"]);
    assert.equal(heard.filter((message) => message === "three").length, 1);
  });

  test("ioredis: commands that the app defined, and the database that it chose, are those of the new client", async () => {
    await using it = await openIoredis();
    it.client.defineCommand("echoed", { numberOfKeys: 0, lua: "return ARGV[1]" });
    await it.client.select(3);
    await it.client.set("where", "here");
    await it.rotate();
    assert.equal(
      await (it.client as unknown as { echoed(text: string): Promise<string> }).echoed("hi"),
      "hi",
    );
    assert.equal(await it.client.get("where"), "here");
  });

  test("a user who may not ask for his name is logged in all the same", async () => {
    await using house = openHouse(stage.url("app_a"));
    const admin = new Redis(stage.url("app_a"));
    await admin.call("ACL", "SETUSER", "narrow", "on", ">narrow", "~*", "+get");
    await admin.quit();
    for (const name of ["redis", "ioredis"]) house.pools.add(define(subjectOf(name)));
    const { recycled } = await house.rotate(stage.url("narrow"));
    assert.deepEqual(
      recycled.map(({ to }) => to),
      ["narrow", "narrow"],
    );
    await house.pools.close(AbortSignal.timeout(PATIENCE_MS));
  });
});
