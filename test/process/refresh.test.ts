/** A running container takes new credentials: proved before they are used, and no request notices. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startFakeInfisical } from "../fakes/infisical.ts";
import { freePort, type PostgresServer, query, startPostgres } from "../servers/postgres.ts";
import { ask, startBundle } from "./bundle.ts";
import { openShop, pooled, refresh, SETTINGS, seen } from "./pooled.ts";

let server: PostgresServer;
before(async () => {
  server = await startPostgres();
});
after(() => server?.close());

test("new credentials are proved, swapped in and told of, and the old user's connections go", async () => {
  const shop = await openShop(server);
  await using bundle = startBundle(pooled(await shop.user("a")));
  const first = await seen(bundle, "/user");
  assert.match(first, /_a$/);
  bundle.put({ db_url: await shop.user("b"), level: "debug" });
  const { status, body } = await refresh(bundle);
  const { ms: _, ...answer } = body;
  assert.equal(status, 200);
  assert.deepEqual(answer, {
    changed: ["DATABASE_URL", "LEVEL"],
    pools: [{ name: "pg", from: first, to: first.replace(/_a$/, "_b") }],
    failedSubscribers: 0,
  });
  assert.match(await seen(bundle, "/user"), /_b$/);
  assert.equal(await seen(bundle, "/level"), "debug");
  assert.equal(await seen(bundle, "/snapshot"), "debug");
  await bundle.output(/told of DATABASE_URL,LEVEL/);
  await bundle.event("pool.drained");
  assert.deepEqual(await shop.connected(), ["b"]);
  assert.ok(!bundle.stderr.includes("canary"));
});

test("when nothing changed the pools are left alone, and the answer says so", async () => {
  const shop = await openShop(server);
  await using bundle = startBundle(pooled(await shop.user("a")));
  await seen(bundle, "/user");
  const pids = () =>
    query(
      shop.url,
      "select pid from pg_stat_activity where usename ~ '_a$' and datname = current_database()",
    );
  const before = await pids();
  const { status, body } = await refresh(bundle);
  assert.deepEqual([status, body.changed, body.pools], [200, [], []]);
  assert.deepEqual(await pids(), before);
  bundle.put({ level: "debug" });
  assert.deepEqual((await refresh(bundle)).body.changed, ["LEVEL"]);
  assert.deepEqual(await pids(), before);
  assert.ok(!bundle.stdout.includes("told of DATABASE_URL"));
});

test("SIGHUP asks for the same, and its result is in the log", async () => {
  const shop = await openShop(server);
  await using bundle = startBundle(pooled(await shop.user("a")));
  await bundle.event("boot.completed");
  bundle.put({ db_url: await shop.user("b") });
  bundle.kill("SIGHUP");
  const { changed, pools } = await bundle.event("refresh.completed");
  assert.deepEqual(changed, ["DATABASE_URL"]);
  assert.match(String(pools), /^pg: .*_a → .*_b$/);
  assert.match(await seen(bundle, "/user"), /_b$/);
});

test("over TCP the admin token rotates by a refresh whose answer is still sent", async () => {
  const shop = await openShop(server);
  const port = await freePort();
  const config = { admin: { listen: `127.0.0.1:${port}`, token: "TOKEN" } };
  await using bundle = startBundle(pooled(await shop.user("a"), { config }));
  await bundle.event("boot.completed");
  const post = (token: string) =>
    ask({
      host: "127.0.0.1",
      port,
      path: "/secrets/refresh",
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
    });
  bundle.put({ token: "next-t0ken-canary" });
  assert.equal((await post("wrong")).status, 401);
  const { status, text } = await post("t0ken-canary");
  assert.deepEqual([status, JSON.parse(text).changed], [200, ["TOKEN"]]);
  assert.equal((await post("t0ken-canary")).status, 401);
  assert.equal((await post("next-t0ken-canary")).status, 200);
});

test("an app's function that fails on the news is told of in the answer, and the values are in use", async () => {
  const shop = await openShop(server);
  await using bundle = startBundle(pooled(await shop.user("a"), { secrets: { level: "broken" } }));
  await bundle.port();
  await bundle.event("boot.completed");
  bundle.put({ level: "debug" });
  const { status, body } = await refresh(bundle);
  assert.deepEqual([status, body.failedSubscribers], [200, 1]);
  assert.equal(await seen(bundle, "/level"), "debug");
});

test("an unmodified server reads the new value by name, and a database that it names is proved first", async () => {
  const shop = await openShop(server);
  const app = `const { createServer } = require("node:http");
    const server = createServer((_, response) => response.end(JSON.stringify(process.env.LEVEL + process.env.DATABASE_URL)));
    server.listen(0, () => console.log("listening on " + server.address().port));`;
  const a = await shop.user("a");
  const b = await shop.user("b");
  await using bundle = startBundle({
    config: { app: { wrap: "./app.cjs" }, settings: SETTINGS, database: { url: "DATABASE_URL" } },
    files: { "app.cjs": app },
    secrets: { db_url: a, level: "info", token: "t0ken" },
  });
  await bundle.event("boot.completed");
  bundle.put({ db_url: b.replace("canary", "wrong"), level: "debug" });
  const { status, body } = await refresh(bundle);
  assert.deepEqual([status, body.error.problems[0].subject], [424, "database"]);
  assert.equal(await seen(bundle, "/"), `info${a}`);
  bundle.put({ db_url: b });
  assert.equal((await refresh(bundle)).status, 200);
  assert.equal(await seen(bundle, "/"), `debug${b}`);
});

test("bootstrap values that came as variables, and were deleted, log in again", async () => {
  await using fake = await startFakeInfisical({ folders: { "/": { level: "info" } } });
  await using bundle = startBundle({
    config: {
      app: { wrap: "./app.cjs" },
      settings: { LEVEL: { from: "level", secret: false } },
      secrets: { home: { provider: "infisical", environment: "prod" } },
    },
    files: {
      "app.cjs": `const { createServer } = require("node:http");
        const server = createServer((_, response) => response.end(JSON.stringify(Object.keys(process.env))));
        server.listen(0, () => console.log("listening on " + server.address().port));`,
    },
    env: { ...fake.bootstrap, ENVIRONMENT: "home" },
  });
  const names: string[] = await seen(bundle, "/");
  assert.deepEqual(
    names.filter((name) => name.startsWith("INFISICAL")),
    [],
  );
  await bundle.event("boot.completed");
  assert.equal((await refresh(bundle)).status, 200);
});
