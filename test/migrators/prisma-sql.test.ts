import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import pg from "pg";
import { migrateByModule } from "../../entrypoint/migrate/module.ts";
import type { Migrator } from "../../entrypoint/migrators/migrator.ts";
import { prismaSql } from "../../entrypoint/migrators/migrators.ts";
import { makeFolder } from "../folder.ts";
import { type PostgresServer, query, startPostgres } from "../servers/postgres.ts";
import { openEngine } from "./prisma-engine.ts";
import {
  createOptions,
  failureOf,
  LOCK_OF_NOBODY,
  runFiveAtOnce,
  runUnderLock,
  statusOf,
} from "./under-lock.ts";

let server: PostgresServer;
before(async () => {
  server = await startPostgres();
});
after(() => server.close());

const USERS = { "20260101000000_users": "-- CreateTable\ncreate table users (id int);\nselect 1;\n" };
const ORDERS = { "20260102000000_orders": "create table orders (id int);\n" };
const IN_SYNC = {
  editedMigrationNames: [],
  failedMigrationNames: [],
  hasMigrationsTable: true,
  history: null,
};

type Scripts = Readonly<Record<string, string>>;

function writeFiles(folder: string, scripts: Scripts): void {
  rmSync(folder, { recursive: true, force: true });
  for (const [name, script] of Object.entries(scripts)) {
    mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, name, "migration.sql"), script);
  }
}

function makeFiles(scripts: Scripts): string {
  const folder = join(makeFolder(), "migrations");
  writeFiles(folder, scripts);
  return folder;
}

async function open(url: string, folder: string): Promise<Migrator> {
  const client = new pg.Client(url);
  await client.connect();
  return { ...prismaSql({ folder, client }), close: () => client.end() };
}

async function run(url: string, folder: string): Promise<string[]> {
  return runUnderLock(url, await open(url, folder));
}

const ROWS = "select * from _prisma_migrations order by started_at";

/** What differs from one run to the next, by its kind alone. */
function shapeOf(row: Record<string, unknown>): object {
  const kindOf = (it: unknown) => (it === null ? null : it instanceof Date ? "Date" : typeof it);
  const { id, started_at, finished_at } = row;
  return { ...row, id: kindOf(id), started_at: kindOf(started_at), finished_at: kindOf(finished_at) };
}

test("its rows and its table are those of Prisma's own engine, which finds nothing to do after it", async () => {
  const [ours, theirs] = [await server.createDatabase(), await server.createDatabase()];
  const folder = makeFiles({ ...USERS, ...ORDERS });
  const names = Object.keys({ ...USERS, ...ORDERS });
  const engine = await openEngine(ours);
  assert.deepEqual(await run(ours, folder), names);
  assert.deepEqual(await (await openEngine(theirs)).deploy(folder), names);

  assert.deepEqual((await query(ours, ROWS)).map(shapeOf), (await query(theirs, ROWS)).map(shapeOf));
  const columns = `select column_name, data_type, character_maximum_length, is_nullable, column_default
    from information_schema.columns where table_name = '_prisma_migrations' order by ordinal_position`;
  assert.deepEqual(await query(ours, columns), await query(theirs, columns));
  assert.deepEqual({ ...(await engine.status(folder)) }, IN_SYNC);
  assert.deepEqual(await engine.deploy(folder), []);
  assert.deepEqual(await run(theirs, folder), []);
});

test("it goes on where Prisma's engine stopped, and the other way round", async () => {
  const url = await server.createDatabase();
  const folder = makeFiles(USERS);
  const engine = await openEngine(url);
  await engine.deploy(folder);
  writeFiles(folder, { ...USERS, ...ORDERS });
  assert.deepEqual(await run(url, folder), Object.keys(ORDERS));
  const third = { "20260103000000_third": "create index concurrently on users (id)" };
  writeFiles(folder, { ...USERS, ...ORDERS, ...third });
  assert.deepEqual(await engine.deploy(folder), Object.keys(third));
  assert.deepEqual(await run(url, folder), []);
});

test("one that fails is what Prisma calls failed, keeps everything from running, and goes once Prisma was told", async () => {
  const url = await server.createDatabase();
  const [name = ""] = Object.keys(ORDERS);
  const folder = makeFiles({
    ...USERS,
    [name]: "begin; create table orders (id int); create table users (id int); commit;",
  });
  const engine = await openEngine(url);
  const error = await failureOf(run(url, folder));
  assert.equal(error.exitCode, 79);
  assert.equal(
    error.message,
    `migration ${name} failed: relation "users" already exists (42P07); ${Object.keys(USERS)} were applied before it`,
  );
  assert.deepEqual((await engine.status(folder)).failedMigrationNames, [name]);
  const [, row] = await query(url, ROWS);
  assert.equal(row?.applied_steps_count, 0);
  assert.match(String(row?.logs), /Migration name: 20260102000000_orders\n\nDatabase error code: 42P07/);

  writeFiles(folder, { ...USERS, ...ORDERS });
  const { code, problems } = await failureOf(run(url, folder));
  assert.equal(code, "MIGRATION_INVALID");
  assert.match(problems[0]?.message ?? "", /did not end; .*`prisma migrate resolve` with --rolled-back/);
  await engine.markRolledBack(name);
  assert.deepEqual(await run(url, folder), [name]);
  assert.deepEqual({ ...(await engine.status(folder)) }, IN_SYNC);
});

test("a script that was edited or is gone is a problem; other line ends, and what a newer image applied, are not", async () => {
  const url = await server.createDatabase();
  const folder = makeFiles({ ...USERS, ...ORDERS });
  await run(url, folder);
  const crlf = Object.fromEntries(
    Object.entries(USERS).map(([name, it]) => [name, it.replaceAll("\n", "\r\n")]),
  );
  writeFiles(folder, crlf);
  assert.deepEqual((await statusOf(await open(url, folder))).newer, Object.keys(ORDERS));
  const migrator = await open(url, folder);
  assert.deepEqual(await migrateByModule({ migrator, lock: LOCK_OF_NOBODY }, createOptions()), []);

  const [users = "", orders = ""] = Object.keys({ ...USERS, ...ORDERS });
  writeFiles(folder, { [orders]: "select 1;" });
  const { problems } = await failureOf(run(url, folder));
  assert.deepEqual(
    problems.map(({ subject, message }) => [subject, message.split(" ").slice(0, 2).join(" ")]),
    [
      [orders, "was edited"],
      [users, "was applied,"],
    ],
  );
});

test("a database with tables and no books is left alone, as by Prisma (P3005)", async () => {
  const url = await server.createDatabase();
  const folder = makeFiles(USERS);
  await query(url, "create table old (id int)");
  await assert.rejects((await openEngine(url)).deploy(folder), /schema is not empty/);
  const { code, problems } = await failureOf(run(url, folder));
  assert.equal(code, "MIGRATION_INVALID");
  assert.match(problems[0]?.message ?? "", /prisma migrate resolve --applied/);
});

test("a dump that empties the search path does not hide the books from the next one", async () => {
  const url = await server.createDatabase();
  const dump = "select pg_catalog.set_config('search_path', '', false); create table public.users (id int);";
  const folder = makeFiles({ ...ORDERS, "20250101000000_dump": dump });
  assert.deepEqual(await run(url, folder), ["20250101000000_dump", ...Object.keys(ORDERS)]);
});

test("the layout of Prisma's next line, a folder without a script, and another database's folder are refused", async () => {
  const url = await server.createDatabase();
  const folder = makeFiles({ ...USERS, "20260102000000_empty": "" });
  rmSync(join(folder, "20260102000000_empty", "migration.sql"));
  writeFileSync(join(folder, "migration_lock.toml"), '# comment\nprovider = "mysql"\n');
  const refused = await failureOf(run(url, folder));
  assert.deepEqual(
    refused.problems.map(({ subject }) => subject),
    ["20260102000000_empty", "migration_lock.toml"],
  );

  mkdirSync(join(folder, "app", "20260707T1006_phone"), { recursive: true });
  writeFileSync(join(folder, "app", "20260707T1006_phone", "ops.json"), "[]");
  const { problems } = await failureOf(run(url, folder));
  assert.match(problems[0]?.message ?? "", /ops\.json, as Prisma's next line writes it/);
});

test("of five that start at once, one applies everything and four find nothing to do", async () => {
  const url = await server.createDatabase();
  const folder = makeFiles({ ...USERS, ...ORDERS });
  const results = await runFiveAtOnce(url, () => open(url, folder));
  assert.deepEqual(results, [Object.keys({ ...USERS, ...ORDERS }), [], [], [], []]);
});

test("a pool, which would run each statement on another connection, is refused", () => {
  const client = new pg.Pool();
  assert.throws(() => prismaSql({ folder: "prisma/migrations", client }), /not the pool/);
});
