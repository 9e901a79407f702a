/** Migrations on a real PostgreSQL: applied once, by one, whole or not at all. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { openDatabase } from "../../entrypoint/database/database.ts";
import type { SallyportError } from "../../entrypoint/errors.ts";
import { CERTIFICATE, KEY } from "../fakes/certificate.ts";
import { makeFolder } from "../folder.ts";
import { noPgbouncer, startPgbouncer } from "../servers/pgbouncer.ts";
import { freePort, type PostgresServer, query, startPostgres } from "../servers/postgres.ts";
import { breakLock, folderOf, quiet, run, untilRunning } from "./postgres-run.ts";

let server: PostgresServer;
before(async () => {
  server = await startPostgres();
});
after(() => server?.close());

const count = async (url: string, table: string) =>
  Number((await query(url, `select count(*) from ${table}`))[0]?.count);

const TWO = {
  "1_orders.sql": "create table orders (id bigint primary key); insert into orders values (1);",
  "2_note.sql": "alter table orders add note text;",
};

test("what is pending is applied in order, recorded, and not applied again", async () => {
  const url = await server.createDatabase();
  const folder = folderOf(TWO);
  assert.deepEqual(await run(url, folder), ["1_orders.sql", "2_note.sql"]);
  assert.deepEqual(await run(url, folder), []);
  const rows = await query(
    url,
    "select id, length(checksum) as length, finished_at >= started_at as ended from sallyport_migrations order by id",
  );
  assert.deepEqual(rows, [
    { id: "1_orders.sql", length: 64, ended: true },
    { id: "2_note.sql", length: 64, ended: true },
  ]);
});

test("a file that fails is rolled back whole; what came before it stays, and the error says both", async () => {
  const url = await server.createDatabase();
  const folder = folderOf({
    ...TWO,
    "3_bad.sql": "create table half (id int); insert into nowhere values (1);",
    "4_never.sql": "select 1",
  });
  await assert.rejects(run(url, folder), (error: SallyportError) => {
    assert.equal(error.code, "MIGRATION_FAILED");
    assert.match(
      error.message,
      /3_bad\.sql \(3 of 4\) failed: relation "nowhere" does not exist; 1_orders\.sql, 2_note\.sql were applied before it/,
    );
    return true;
  });
  assert.equal(await count(url, "orders"), 1);
  assert.deepEqual(await query(url, "select to_regclass('half') as half"), [{ half: null }]);
  assert.equal(await count(url, "sallyport_migrations"), 2);
});

test("a file that commits behind our back and then fails is not taken for one that was never begun", async () => {
  const url = await server.createDatabase();
  const folder = folderOf({
    "1.sql": "select 1;",
    "2.mjs":
      "export const up = async (session) => { await session.run('commit'); await session.run('create table sneaky (id int)'); }",
  });
  await assert.rejects(run(url, folder), { code: "MIGRATION_FAILED" });
  await assert.rejects(run(url, folder), (error: SallyportError) =>
    /^was begun at/.test(error.problems[0]?.message ?? ""),
  );
});

test("an error does not quote rows", async () => {
  const url = await server.createDatabase();
  await query(url, "create table t (note text); insert into t values ('canary')");
  const folder = folderOf({ "1.sql": "alter table t alter note type int using note::int;" });
  await assert.rejects(
    run(url, folder),
    (error: SallyportError) =>
      !error.message.includes("canary") && /invalid input syntax/.test(error.message),
  );
});

test("five at once on an empty database: one applies all, four find nothing to do", async () => {
  const url = await server.createDatabase();
  const folder = folderOf({ ...TWO, "3_slow.sql": "select pg_sleep(0.3)" });
  const results = await Promise.all(Array.from({ length: 5 }, () => run(url, folder)));
  assert.deepEqual(results.map((it) => it.length).sort(), [0, 0, 0, 0, 3]);
});

test("CREATE INDEX CONCURRENTLY goes through while others wait for the lock", async () => {
  const url = await server.createDatabase();
  const index = "-- migrate:no-transaction\ncreate index concurrently orders_note on orders (note);";
  const folder = folderOf({ ...TWO, "3_slow.sql": "select pg_sleep(0.5)", "4_index.sql": index });
  const results = await Promise.all(Array.from({ length: 5 }, () => run(url, folder)));
  assert.equal(results.flat().length, 4);
  assert.deepEqual(
    await query(url, "select indisvalid from pg_index where indexrelid = 'orders_note'::regclass"),
    [{ indisvalid: true }],
  );
});

test("an index that CREATE INDEX CONCURRENTLY left invalid is a failure that says how to go on", async () => {
  const url = await server.createDatabase();
  const index = "-- migrate:no-transaction\ncreate unique index concurrently twice on t (id);";
  const folder = folderOf({
    "1.sql": "create table t (id int); insert into t values (1), (1);",
    "2.sql": index,
  });
  await assert.rejects(run(url, folder), {
    code: "MIGRATION_FAILED",
    message: /could not create unique index "twice"/,
  });
  await assert.rejects(run(url, folder), (error: SallyportError) =>
    /was begun at .* and cut off/.test(error.problems[0]?.message ?? ""),
  );
});

test("who waits is told who holds the lock, and gives up after lockTimeout", async () => {
  const url = await server.createDatabase();
  const folder = folderOf({ "1_slow.sql": "select pg_sleep(3)" });
  const first = run(url, folder);
  await untilRunning(url, "select pg_sleep(3)");
  const events: string[] = [];
  await assert.rejects(run(url, folder, { lockTimeoutMs: 500, events }), {
    code: "MIGRATION_LOCKED",
    exitCode: 75,
  });
  assert.match(
    events.join("\n"),
    /lock\.awaited another process migrates: sallyport, pid \d+, from 127\.0\.0\.1, for \d+ s/,
  );
  assert.deepEqual(await first, ["1_slow.sql"]);
});

test("a holder whose connection breaks frees the lock, and does not go on", async () => {
  const url = await server.createDatabase();
  const folder = folderOf({ "1_slow.sql": "select pg_sleep(5)", "2_never.sql": "create table never ()" });
  const first = assert.rejects(run(url, folder), { code: "MIGRATION_FAILED" });
  await untilRunning(url, "select pg_sleep(5)");
  await breakLock(url);
  await first;
  assert.deepEqual(await query(url, "select to_regclass('never') as never"), [{ never: null }]);
});

test("a stop in mid-file rolls it back", async () => {
  const url = await server.createDatabase();
  const folder = folderOf({ "1.sql": "create table half (id int); select pg_sleep(60);" });
  const stop = new AbortController();
  const running = run(url, folder, { signal: stop.signal });
  await untilRunning(url, "create table half (id int); select pg_sleep(60);");
  const reason = { kind: "signal" };
  stop.abort(reason);
  await assert.rejects(running, (error) => error === reason);
  assert.deepEqual(await query(url, "select to_regclass('half') as half"), [{ half: null }]);
});

test("a file that waits for somebody's lock gives way and tries again", async () => {
  const url = await server.createDatabase();
  await query(url, "create table busy (id int)");
  const folder = folderOf({ "1.sql": "alter table busy add note text;" });
  const { default: pg } = await import("pg");
  const reader = new pg.Client(url);
  await reader.connect();
  await reader.query("begin; select * from busy");
  const running = run(url, folder);
  await delay(6_000);
  const blocked = await query(
    url,
    "select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
  );
  await reader.query("rollback");
  await reader.end();
  assert.deepEqual(await running, ["1.sql"]);
  assert.ok(Number(blocked[0]?.n) <= 1);
});

describe("modes", () => {
  test("check refuses while something is pending, and lists it", async () => {
    const url = await server.createDatabase();
    await assert.rejects(run(url, folderOf(TWO), { mode: "check" }), (error: SallyportError) => {
      assert.equal(error.code, "MIGRATION_PENDING");
      return error.problems.length === 2;
    });
    assert.deepEqual(await query(url, "select to_regclass('sallyport_migrations') as books"), [
      { books: null },
    ]);
  });

  test("wait leaves it to another process", async () => {
    const url = await server.createDatabase();
    const folder = folderOf(TWO);
    const waiting = run(url, folder, { mode: "wait" });
    await delay(300);
    assert.equal((await run(url, folder)).length, 2);
    assert.deepEqual(await waiting, []);
  });
});

describe("a database that was there before", () => {
  test("is taken over from its baseline on", async () => {
    const url = await server.createDatabase();
    await query(url, "create table orders (id bigint primary key)");
    assert.deepEqual(await run(url, folderOf(TWO), { baseline: "1_orders.sql" }), ["2_note.sql"]);
  });

  test("is not confused with an empty one: there, everything runs", async () => {
    const url = await server.createDatabase();
    assert.equal((await run(url, folderOf(TWO), { baseline: "1_orders.sql" })).length, 2);
  });

  test("has a baseline that is a file", async () => {
    const url = await server.createDatabase();
    await assert.rejects(run(url, folderOf(TWO), { baseline: "9.sql" }), {
      code: "MIGRATION_INVALID",
      message: /names 9\.sql/,
    });
  });
});

test("behind a pooler that lends connections by the transaction, the lock holds all the same", {
  skip: noPgbouncer,
}, async () => {
  const url = await server.createDatabase();
  const index = "-- migrate:no-transaction\ncreate index concurrently orders_note on orders (note);";
  const folder = folderOf({ ...TWO, "3_slow.sql": "select pg_sleep(0.5)", "4_index.sql": index });
  await using pooler = await startPgbouncer(url, 20);
  const results = await Promise.all(Array.from({ length: 5 }, () => run(pooler.url, folder)));
  assert.deepEqual(results.map((it) => it.length).sort(), [0, 0, 0, 0, 4]);
  const left = await query(url, "select count(*)::int as n from pg_locks where locktype = 'advisory'");
  assert.deepEqual(left, [{ n: 0 }]);
});

test("a module exports up(session, settings), in the same transaction as its record", async () => {
  const url = await server.createDatabase();
  const good =
    "export async function up(session) { await session.run('create table m (id int)'); await session.query('insert into m values ($1)', [7]); }";
  const bad =
    "export async function up(session) { await session.run('create table half (id int)'); throw new Error('no'); }";
  const folder = folderOf({ "1.mjs": good, "2.mjs": bad });
  await assert.rejects(run(url, folder), { message: /2\.mjs \(2 of 2\) failed: no/ });
  assert.deepEqual(await query(url, "select * from m"), [{ id: 7 }]);
  assert.deepEqual(await query(url, "select to_regclass('half') as half"), [{ half: null }]);
});

describe("connecting", () => {
  const connect = async (url: string, timeoutMs = 5_000) => {
    const database = await openDatabase({ url: "URL" }, { readText: () => url, directory: "/", log: quiet });
    const session = await database.connect(AbortSignal.timeout(timeoutMs));
    await session.close();
  };

  test("a refused login is told without the password, at once", async () => {
    const login = { username: "nobody", password: "canary-password" };
    const unknown = Object.assign(new URL(await server.createDatabase()), login).href;
    await assert.rejects(connect(unknown), (error: SallyportError) => {
      assert.ok(!`${error.message} ${error.stack}`.includes("canary"));
      return error.code === "DATABASE_REFUSED" && error.exitCode === 77;
    });
  });

  test("a database that is still starting is waited for", async () => {
    const url = new URL(await server.createDatabase());
    const port = await freePort();
    const connecting = connect(Object.assign(new URL(url), { port: String(port) }).href, 20_000);
    await delay(500);
    const door = createServer((socket) =>
      socket.pipe(createConnection(Number(url.port), url.hostname)).pipe(socket),
    ).listen(port, "127.0.0.1");
    await connecting;
    door.close();
  });

  test("TLS is checked against the CA of a file or of a setting", {
    skip: process.env.POSTGRES_URL ? "this server's TLS is not ours" : false,
  }, async () => {
    await using secure = await startPostgres({ tls: { key: KEY, certificate: CERTIFICATE } });
    const url = secure.url.replace("127.0.0.1", "localhost");
    const file = join(makeFolder(), "ca.pem");
    writeFileSync(file, CERTIFICATE);
    const ways = [
      { url: "URL", caFile: file },
      { url: "URL", tls: "CA" },
    ];
    for (const names of ways) {
      const readText = (name: string) => (name === "CA" ? CERTIFICATE : url);
      const session = await (await openDatabase(names, { readText, directory: "/", log: quiet })).connect(
        AbortSignal.timeout(5_000),
      );
      assert.deepEqual(await session.query("select ssl from pg_stat_ssl where pid = pg_backend_pid()"), [
        { ssl: true },
      ]);
      await session.close();
    }
    await assert.rejects(connect(`${url}?sslmode=require`), {
      code: "DATABASE_UNREACHABLE",
      message: /can't be trusted/,
    });
  });

  test("a database that is not there is waited for until the deadline", async () => {
    await assert.rejects(connect("postgres://u:canary@127.0.0.1:1/d", 600), {
      code: "DATABASE_UNREACHABLE",
      exitCode: 69,
      message: /ECONNREFUSED/,
    });
  });

  test("a URL of an unknown kind is told by its setting's name", async () => {
    await assert.rejects(
      connect("oracle://canary"),
      (error: SallyportError) => error.code === "DATABASE_INVALID" && !error.message.includes("canary"),
    );
  });
});
