/** What is true of `pg` alone. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import pg from "pg";
import { assertOnly, eventually, keepBusy, openHouse } from "./rotate.ts";
import { startPostgres } from "./subjects.ts";

let stage: Awaited<ReturnType<typeof startPostgres>>;
before(async () => {
  stage = await startPostgres();
});
after(() => stage?.[Symbol.asyncDispose]());

const create = (options: pg.PoolConfig) => (settings: { readonly URL?: unknown }) =>
  new pg.Pool({ connectionString: String(settings.URL), ...options });

test("a large pool is exchanged without a warning of too many listeners", async () => {
  const warnings: Error[] = [];
  const listen = (warning: Error) => void warnings.push(warning);
  process.on("warning", listen);
  await using house = openHouse(stage.url("app_a"));
  const handle = house.pools.add({ uses: ["URL"], create: create({ max: 15 }) });
  await Promise.all(Array.from({ length: 15 }, () => handle.query("select pg_sleep(0.05)")));
  assert.equal(handle.idleCount, 15);
  await house.rotate(stage.url("app_b"));
  await assertOnly(stage, ["app_b"]);
  await eventually(() => house.pools.draining().length === 0, "it is closed");
  process.off("warning", listen);
  assert.deepEqual(warnings, []);
});

test("the limit that the app has set is the new pool's when the old one is gone, and not before", async () => {
  await using house = openHouse(stage.url("app_a"));
  const handle = house.pools.add({ uses: ["URL"], create: create({ max: 3 }) });
  const held = await Promise.all([handle.connect(), handle.connect()]);
  await house.rotate(stage.url("app_b"));
  assert.equal(handle.options.max, 1);
  held[0]?.release();
  await eventually(() => handle.options.max === 2, "one connection has gone over");
  held[1]?.release();
  await eventually(() => handle.options.max === 3, "all have");
});

test("a refused refresh gives the pool back all of its connections", async () => {
  await using house = openHouse(stage.url("app_a"));
  const handle = house.pools.add({ uses: ["URL"], create: create({ max: 3 }) });
  await Promise.all(Array.from({ length: 3 }, () => handle.query("select pg_sleep(0.02)")));
  await assert.rejects(house.prepare(stage.url("app_b", "wrong")));
  await eventually(() => handle.options.max === 3, "it has its room back");
  const prepared = await house.prepare(stage.url("app_b"));
  assert.equal(handle.options.max, 2);
  await prepared.discard();
  await eventually(() => handle.options.max === 3, "it has its room back");
  assert.deepEqual(house.lines, []);
});

test("a new password for the same user: nothing fails while the old one is void, and a wrong new one is refused", async () => {
  await stage.setPassword("app_c", "first");
  await using house = openHouse(stage.url("app_c", "first"));
  const handle = house.pools.add({ uses: ["URL"], create: create({ max: 3 }) });
  await Promise.all(Array.from({ length: 3 }, () => handle.query("select pg_sleep(0.05)")));
  const load = keepBusy(9, () => handle.query("select pg_sleep(0.002)"));
  await stage.setPassword("app_c", "second");
  await assert.rejects(house.prepare(stage.url("app_b", "wrong")), { code: "CREDENTIALS_REFUSED" });
  await eventually(() => house.lines.some(({ event }) => event === "pool.shrunk"), "it keeps what it has");
  await assert.rejects(house.prepare(stage.url("app_b", "wrong")), { code: "CREDENTIALS_REFUSED" });
  const { recycled } = await house.rotate(stage.url("app_c", "second"));
  assert.deepEqual(recycled, [{ name: "pg", from: "app_c", to: "app_c" }]);
  await eventually(() => house.pools.draining().length === 0, "the old one is closed");
  assert.equal(handle.options.max, 3);
  assert.ok((await load.stop()) > 0);
});

test("who it would log in as is known from the options, and a URL goes before them", async () => {
  await using house = openHouse(stage.url("app_a"));
  house.pools.add({ uses: ["URL"], create: create({ user: "overruled" }) });
  const createInParts = (settings: { readonly URL?: unknown }) => {
    const { hostname: host, port, pathname } = new URL(String(settings.URL));
    return new pg.Pool({
      host,
      port: Number(port),
      database: pathname.slice(1),
      user: "app_a",
      password: "app_a",
    });
  };
  house.pools.add({ uses: ["URL"], create: createInParts });
  const { recycled } = await house.rotate(stage.url("app_b"));
  assert.deepEqual(recycled, [
    { name: "pg", from: "app_a", to: "app_b" },
    { name: "pg-2", from: "app_a", to: "app_a" },
  ]);
});

test("what the app does on each new connection is done on the one of the proof, too", async () => {
  await using house = openHouse(stage.url("app_a"));
  const handle = house.pools.add({ uses: ["URL"], create: create({ max: 1 }) });
  handle.on("connect", (client) => client.query("set application_name to 'prepared'"));
  await handle.query("select 1");
  await house.rotate(stage.url("app_b"));
  const { rows } = await handle.query(
    "select session_user as user, current_setting('application_name') as name",
  );
  assert.deepEqual(rows, [{ user: "app_b", name: "prepared" }]);
});

test("a pool that is refreshed again while its old one has work to end waits for that, and takes no more than its own", async (t) => {
  const max = 2;
  t.after(() => stage.allow(-1));
  await using house = openHouse(stage.url("app_a"));
  const handle = house.pools.add({ uses: ["URL"], create: create({ max }) });
  const client = await handle.connect();
  await client.query("begin");
  await handle.query("select 1");
  // Whoever says so is connected, too, so for that moment nobody else may have to.
  await stage.allow(max);
  const load = keepBusy(max, () => handle.query("select pg_sleep(0.002)"));
  await house.rotate(stage.url("app_b"));
  const overtaking = house.rotate(stage.url("app_a"));
  await client.query("commit");
  client.release();
  await overtaking;
  assert.ok((await load.stop()) > 0);
  await assertOnly(stage, ["app_a"]);
});

test("forty that are refreshed at once, at a server with room for forty and no more: nothing fails", async (t) => {
  const max = 2;
  t.after(() => stage.allow(-1));
  const houses = Array.from({ length: 40 }, () => openHouse(stage.url("app_a")));
  const handles = houses.map(({ pools }) => pools.add({ uses: ["URL"], create: create({ max }) }));
  const work = (handle: pg.Pool) => handle.query("select pg_sleep(0.005)");
  await Promise.all(handles.flatMap((handle) => Array.from({ length: max }, () => work(handle))));
  await stage.allow(max * houses.length);
  const loads = handles.map((handle) => keepBusy(max + 1, () => work(handle)));
  for (const user of ["app_b", "app_a", "app_b"] as const)
    await Promise.all(houses.map((house) => house.rotate(stage.url(user))));
  for (const load of loads) await load.stop();
  await assertOnly(stage, ["app_b"]);
  for (const house of houses) await house[Symbol.asyncDispose]();
});
