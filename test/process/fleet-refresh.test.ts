/** Forty containers refreshed at the same moment, under load, against one PostgreSQL that takes a hundred connections. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type PostgresServer, query, startPostgres } from "../servers/postgres.ts";
import { startBundle } from "./bundle.ts";
import { openShop, pooled, refresh, SETTINGS, seen } from "./pooled.ts";

/** Of 100 connections PostgreSQL keeps 3 for superusers. */
const LIMIT = 97;

let server: PostgresServer;
before(async () => {
  server = await startPostgres();
});
after(() => server?.close());

test("no query fails, nobody is turned away, and all end up as the new user", async () => {
  const shop = await openShop(server);
  const a = await shop.user("a");
  const b = await shop.user("b");
  await query(shop.url, `alter database ${new URL(shop.url).pathname.slice(1)} connection limit ${LIMIT}`);
  const settings = { ...SETTINGS, POOL_SIZE: { from: "size", type: "integer", secret: false } };
  const options = pooled(a, { config: { settings, refreshTimeout: "60s" }, secrets: { size: "1" } });
  const bundles = Array.from({ length: 40 }, () => startBundle(options));
  // Node 22 has no AsyncDisposableStack.
  await using _all = {
    [Symbol.asyncDispose]: async () =>
      void (await Promise.all(bundles.map((it) => it[Symbol.asyncDispose]()))),
  };
  await Promise.all(bundles.map((bundle) => seen(bundle, "/work")));
  const peak = watchPeak(shop.url);
  for (const bundle of bundles) bundle.put({ db_url: b });
  const answers = await Promise.all(bundles.map(refresh));
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
  await Promise.all(bundles.map((bundle) => bundle.event("pool.drained")));
  const loads = await Promise.all(bundles.map((bundle) => seen(bundle, "/rest")));
  assert.deepEqual(new Set(loads.map(({ failed, why }) => `${failed} ${why}`)), new Set(["0 "]));
  assert.ok(loads.every(({ answered }) => answered > 0));
  const users = await Promise.all(bundles.map((bundle) => seen(bundle, "/user")));
  assert.ok(users.every((user) => user.endsWith("_b")));
  assert.deepEqual(await shop.connected(), ["b"]);
  const most = await peak();
  assert.ok(most >= 40 && most <= 80, `${most} connections at once, of two a process at most`);
});

/** The largest number of connections that was seen until it is asked. */
function watchPeak(url: string): () => Promise<number> {
  let most = 0;
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      const [row] = await query(
        url,
        "select count(*)::int as n from pg_stat_activity where datname = current_database() and usename ~ '_[ab]$'",
      );
      most = Math.max(most, Number(row?.n));
      await delay(50);
    }
  })();
  return async () => {
    isOver = true;
    await watching;
    return most;
  };
}
