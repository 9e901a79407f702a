import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { drizzle as openDrizzle } from "drizzle-orm/node-postgres";
import { migrate } from "drizzle-orm/node-postgres/migrator";
import { drizzle as openProxy } from "drizzle-orm/sqlite-proxy";
import { migrate as migrateProxy } from "drizzle-orm/sqlite-proxy/migrator";
import { migrateByModule } from "../../entrypoint/migrate/module.ts";
import type { Migrator } from "../../entrypoint/migrators/migrator.ts";
import { drizzle } from "../../entrypoint/migrators/migrators.ts";
import { makeFolder } from "../folder.ts";
import { type PostgresServer, query, startPostgres } from "../servers/postgres.ts";
import { createOptions, failureOf, LOCK_OF_NOBODY, runFiveAtOnce, runUnderLock } from "./under-lock.ts";

let server: PostgresServer;
before(async () => {
  server = await startPostgres();
});
after(() => server.close());

type Entry = readonly [tag: string, when: number, sql: string];
const USERS: Entry = [
  "0000_users",
  1_000,
  "create table users (id int);\n--> statement-breakpoint\nselect 1;\n",
];
const ORDERS: Entry = ["0001_orders", 3_000, "create table orders (id int);\n"];
/** Of a branch that was begun before orders, and merged after it. */
const LATE: Entry = ["0002_late", 2_000, "create table late (id int);\n"];

function writeFiles(folder: string, entries: readonly Entry[]): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, "meta"), { recursive: true });
  for (const [tag, , sql] of entries) writeFileSync(join(folder, `${tag}.sql`), sql);
  const journal = entries.map(([tag, when], idx) => ({ idx, version: "7", when, tag, breakpoints: true }));
  writeFileSync(join(folder, "meta", "_journal.json"), JSON.stringify({ version: "7", entries: journal }));
}

function makeFiles(...entries: Entry[]): string {
  const folder = join(makeFolder(), "drizzle");
  writeFiles(folder, entries);
  return folder;
}

function open(url: string, folder: string | URL): Migrator {
  const db = openDrizzle(url);
  return { ...drizzle({ migrate, db, folder }), close: () => db.$client.end() };
}

async function isTable(url: string, name: string): Promise<unknown> {
  return (await query(url, "select to_regclass($1) is not null as found", [name]))[0]?.found;
}

test("a file that is older than the last applied one, which Drizzle skips without a word, is a problem", async () => {
  const url = await server.createDatabase();
  const folder = makeFiles(USERS, ORDERS);
  assert.deepEqual(await runUnderLock(url, open(url, folder)), ["0000_users", "0001_orders"]);
  writeFiles(folder, [USERS, ORDERS, LATE]);

  const db = openDrizzle(url);
  await migrate(db, { migrationsFolder: folder });
  await db.$client.end();
  assert.equal(await isTable(url, "late"), false);

  const error = await failureOf(runUnderLock(url, open(url, folder)));
  assert.equal(error.code, "MIGRATION_INVALID");
  assert.equal(error.exitCode, 79);
  assert.deepEqual(
    error.problems.map(({ subject }) => subject),
    ["0002_late"],
  );
  assert.match(error.problems[0]?.message ?? "", /older than the last applied one, so Drizzle would skip it/);
});

test("a file that was edited after it was applied is a problem; other line ends are no edit", async () => {
  const url = await server.createDatabase();
  const folder = makeFiles(USERS, ORDERS);
  await runUnderLock(url, open(url, folder));
  const crlf: Entry = [USERS[0], USERS[1], USERS[2].replaceAll("\n", "\r\n")];
  writeFiles(folder, [crlf, ORDERS]);
  assert.deepEqual(await runUnderLock(url, open(url, folder)), []);

  writeFiles(folder, [[USERS[0], USERS[1], "create table users (id bigint);"], ORDERS]);
  const { problems } = await failureOf(runUnderLock(url, open(url, folder)));
  assert.deepEqual(
    problems.map(({ subject }) => subject),
    ["0000_users"],
  );
  assert.match(problems[0]?.message ?? "", /edited/);
});

test("a file without an entry in the journal, and an entry without a file, are problems", async () => {
  const url = await server.createDatabase();
  const folder = makeFiles(USERS, ORDERS);
  writeFileSync(join(folder, "0002_by_hand.sql"), "select 1;");
  rmSync(join(folder, "0001_orders.sql"));
  const { problems } = await failureOf(runUnderLock(url, open(url, folder)));
  assert.deepEqual(
    problems.map(({ subject }) => subject),
    ["0002_by_hand", "0001_orders"],
  );
  assert.equal(await isTable(url, "users"), false);
});

test("one that was applied under an older time is not applied again", async () => {
  const url = await server.createDatabase();
  const folder = makeFiles(USERS);
  await runUnderLock(url, open(url, folder));
  writeFiles(folder, [[USERS[0], USERS[1] + 1, USERS[2]]]);
  const { problems } = await failureOf(runUnderLock(url, open(url, folder)));
  assert.match(problems[0]?.message ?? "", /Drizzle would apply it again/);
});

test("of five that start at once, one applies everything and four find nothing to do", async () => {
  const url = await server.createDatabase();
  const folder = pathToFileURL(makeFiles(USERS, ORDERS));
  const results = await runFiveAtOnce(url, () => open(url, folder));
  assert.deepEqual(results, [["0000_users", "0001_orders"], [], [], [], []]);
});

test("a migration that fails is named, with the database's reason, and leaves nothing behind", async () => {
  const url = await server.createDatabase();
  const folder = makeFiles(USERS, [ORDERS[0], ORDERS[1], "create table users (id int);"]);
  const error = await failureOf(runUnderLock(url, open(url, folder)));
  assert.equal(error.code, "MIGRATION_FAILED");
  assert.equal(error.exitCode, 79);
  assert.equal(
    error.message,
    'migration 0001_orders failed: relation "users" already exists (42P07); nothing was applied before it',
  );
  assert.equal(await isTable(url, "users"), false);
});

test("an older image starts on the database of a newer one, without the lock, and says so", async () => {
  const url = await server.createDatabase();
  const folder = makeFiles(USERS, ORDERS);
  await runUnderLock(url, open(url, folder));
  writeFiles(folder, [USERS]);
  const logged: string[] = [];
  const log = (_level: string, event: string) => void logged.push(event);
  const migrator = open(url, folder);
  assert.deepEqual(await migrateByModule({ migrator, lock: LOCK_OF_NOBODY }, createOptions({ log })), []);
  assert.deepEqual(logged, ["migration.newer"]);
});

test("SQLite's books are read as well", async () => {
  const file = new DatabaseSync(":memory:");
  const db = openProxy(async (sql, parameters, method) => {
    const statement = file.prepare(sql);
    if (method === "run") statement.run(...(parameters as SQLInputValue[]));
    else statement.setReturnArrays(true);
    return { rows: method === "run" ? [] : statement.all(...(parameters as SQLInputValue[])) };
  });
  const folder = makeFiles(USERS, ORDERS);
  const migrator = drizzle({
    migrate: (it: typeof db, config) =>
      migrateProxy(it, async (queries) => queries.forEach((sql) => void file.exec(sql)), config),
    db,
    folder,
  });
  assert.deepEqual((await migrator.status()).pending, ["0000_users", "0001_orders"]);
  assert.deepEqual(await migrator.up(), ["0000_users", "0001_orders"]);
  writeFiles(folder, [USERS, ORDERS, LATE]);
  const { applied, pending, problems } = await migrator.status();
  assert.deepEqual(applied, ["0000_users", "0001_orders"]);
  assert.deepEqual(pending, ["0002_late"]);
  assert.match(problems[0]?.message ?? "", /Drizzle would skip it/);
  assert.match(readFileSync(join(folder, "meta", "_journal.json"), "utf8"), /0002_late/);
});
