/** What could split the books, apply a file twice, or pass one over: each was seen to happen before it was mended. */
import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { SallyportError } from "../../entrypoint/errors.ts";
import { makeFolder } from "../folder.ts";
import { type PostgresServer, query, startPostgres } from "../servers/postgres.ts";
import { breakLock, folderOf, run, untilRunning } from "./postgres-run.ts";

let server: PostgresServer;
before(async () => {
  server = await startPostgres();
});
after(() => server?.close());

describe("a file that changes its session does not lead the books astray", () => {
  const files = {
    "another schema first in the search path": "create schema app; set search_path = app, public;",
    "the empty search path of a dump": "select pg_catalog.set_config('search_path', '', false);",
    "another role": "create role other_$PID; set role other_$PID;",
  };
  for (const [what, text] of Object.entries(files)) {
    test(what, async () => {
      const url = await server.createDatabase();
      const unique = `${process.pid}_${Math.round(performance.now())}`;
      const folder = folderOf({
        "1_change.sql": text.replaceAll("$PID", unique),
        "2_row.sql": "create table public.rows (id int); insert into public.rows values (1);",
        "3_row.sql": "insert into public.rows values (2);",
      });
      assert.equal((await run(url, folder)).length, 3);
      assert.deepEqual(await run(url, folder), []);
      assert.deepEqual(
        await query(url, "select schemaname from pg_tables where tablename = 'sallyport_migrations'"),
        [{ schemaname: "public" }],
      );
      assert.equal((await query(url, "select * from public.rows")).length, 2);
    });
  }
});

test("a lock that is lost while a module thinks: the module's work is not committed, and the next one does it once", async () => {
  const url = await server.createDatabase();
  await query(url, "create table rows (id int)");
  const slow = `export const up = async (session) => {
    await session.run("insert into rows values (1)");
    await new Promise((resolve) => setTimeout(resolve, 1500));
  };`;
  const folder = folderOf({ "1_slow.mjs": slow });
  const first = assert.rejects(run(url, folder), { code: "MIGRATION_FAILED" });
  await untilRunning(url, "insert into rows values (1)");
  await breakLock(url);
  const second = run(url, folder);
  await first;
  assert.deepEqual(await second, ["1_slow.mjs"]);
  assert.equal((await query(url, "select * from rows")).length, 1);
});

test("a deadline ends a CREATE INDEX CONCURRENTLY that waits, and the books say that it was begun", async () => {
  const url = await server.createDatabase();
  await query(url, "create table t (id int)");
  const { default: pg } = await import("pg");
  const old = new pg.Client(url);
  await old.connect();
  await old.query("begin isolation level repeatable read; select * from t");
  const folder = folderOf({
    "1.sql": "-- migrate:no-transaction\ncreate index concurrently t_id on t (id);",
  });
  await assert.rejects(run(url, folder, { signal: AbortSignal.timeout(800) }), { code: "MIGRATION_FAILED" });
  await old.end();
  const [record] = await query(url, "select finished_at from sallyport_migrations");
  assert.deepEqual(record, { finished_at: null });
});

describe("nothing is passed over in silence", () => {
  const refused = async (folder: string) => {
    const url = await server.createDatabase();
    return run(url, folder).then(
      () => assert.fail("it ran"),
      (error: SallyportError) =>
        error.problems.map(({ subject, message }) => `${subject} ${message}`).join("\n"),
    );
  };

  test("a link is a file, as in a mounted ConfigMap", async () => {
    const url = await server.createDatabase();
    const folder = makeFolder();
    mkdirSync(join(folder, "..1"));
    writeFileSync(join(folder, "..1", "1.sql"), "create table t (id int)");
    symlinkSync("..1/1.sql", join(folder, "1.sql"));
    assert.deepEqual(await run(url, folder), ["1.sql"]);
  });

  test("files and folders of other tools, and a folder without any", async () => {
    assert.match(
      await refused(folderOf({ "1_a.sql": "select 1", "2_b.js": "", "3_C.SQL": "" })),
      /2_b\.js is not named[\s\S]*3_C\.SQL is not named/,
    );
    assert.match(await refused(makeFolder()), /has no migration/);
    const prisma = folderOf({ "1_a.sql": "select 1" });
    mkdirSync(join(prisma, "2024_init"));
    writeFileSync(join(prisma, "2024_init", "migration.sql"), "select 1");
    assert.match(await refused(prisma), /2024_init is a folder of Prisma's/);
  });

  test("a file that is not UTF-8, and numbers that are the same", async () => {
    const folder = folderOf({ "04_a.sql": "select 1", "4_b.sql": "select 1" });
    writeFileSync(join(folder, "5_c.sql"), Buffer.from("select 'K\xe4se'", "latin1"));
    assert.match(await refused(folder), /5_c\.sql is not UTF-8[\s\S]*04_a\.sql has the number of 4_b\.sql/);
  });

  test("a routine's body may hold any statement", async () => {
    const url = await server.createDatabase();
    const text = "create function f() returns int language sql begin atomic select 1; select 2; end;";
    assert.deepEqual(await run(url, folderOf({ "1.sql": text })), ["1.sql"]);
  });
});

test("a user that may use no schema is told so, instead of waiting for a lock", async () => {
  const url = await server.createDatabase();
  await query(url, `alter database ${new URL(url).pathname.slice(1)} set search_path = nowhere`);
  await assert.rejects(run(url, folderOf({ "1.sql": "select 1" })), { code: "DATABASE_INVALID" });
});

for (const search of ["?options=-c%20search_path%3D%22inner%22", "?schema=inner"]) {
  test(`a URL that names its schema (${search}) is obeyed`, async () => {
    const url = await server.createDatabase();
    await query(url, 'create schema "inner"');
    const inside = Object.assign(new URL(url), { search }).href;
    assert.equal((await run(inside, folderOf({ "1.sql": "create table t (id int)" }))).length, 1);
    const tables = await query(
      url,
      "select distinct schemaname from pg_tables where tablename in ('t', 'sallyport_migrations')",
    );
    assert.deepEqual(tables, [{ schemaname: "inner" }]);
  });
}
