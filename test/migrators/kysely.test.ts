import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Kysely, PostgresDialect, sql } from "kysely";
import { type Migration, Migrator as OfKysely } from "kysely/migration";
import pg from "pg";
import type { Migrator } from "../../entrypoint/migrators/migrator.ts";
import { kysely } from "../../entrypoint/migrators/migrators.ts";
import { type PostgresServer, query, startPostgres } from "../servers/postgres.ts";
import { failureOf, runFiveAtOnce, runUnderLock } from "./under-lock.ts";

let server: PostgresServer;
before(async () => {
  server = await startPostgres();
});
after(() => server.close());

type Migrations = Readonly<Record<string, Migration>>;
const run = (statement: string): Migration => ({
  up: async (db) => void (await sql.raw(statement).execute(db)),
});
const USERS = run("create table users (id int)");
const ORDERS = run("create table orders (id int)");

function open(url: string, migrations: Migrations): Migrator {
  const db = new Kysely<unknown>({
    dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: url }) }),
  });
  const provider = { getMigrations: async () => migrations };
  return { ...kysely(new OfKysely({ db, provider })), close: () => db.destroy() };
}

test("of five that start at once, one applies everything and four find nothing to do", async () => {
  const url = await server.createDatabase();
  const results = await runFiveAtOnce(url, () => open(url, { "01_users": USERS, "02_orders": ORDERS }));
  assert.deepEqual(results, [["01_users", "02_orders"], [], [], [], []]);
});

test("an error that Kysely returns instead of throwing it ends the boot, and names the migration", async () => {
  const url = await server.createDatabase();
  const error = await failureOf(runUnderLock(url, open(url, { "01_users": USERS, "02_again": USERS })));
  assert.equal(error.code, "MIGRATION_FAILED");
  assert.equal(error.exitCode, 79);
  assert.equal(
    error.message,
    'migration 02_again failed: relation "users" already exists (42P07); nothing was applied before it',
  );
  assert.deepEqual(await query(url, "select name from kysely_migration"), []);
});

test("one that sorts before the last applied one is a problem before anything runs", async () => {
  const url = await server.createDatabase();
  await runUnderLock(url, open(url, { "02_users": USERS }));
  const { code, problems } = await failureOf(
    runUnderLock(url, open(url, { "01_orders": ORDERS, "02_users": USERS })),
  );
  assert.equal(code, "MIGRATION_INVALID");
  assert.deepEqual(problems, [
    {
      subject: "01_orders",
      message: "sorts before 02_users, which is applied already; give it a later name",
    },
  ]);
});

test("what Kysely itself finds wrong is told in its words", async () => {
  const url = await server.createDatabase();
  await runUnderLock(url, open(url, { "01_users": USERS }));
  const { message } = await failureOf(runUnderLock(url, open(url, { "02_orders": ORDERS })));
  assert.match(message, /^migration 02_orders failed: corrupted migrations: .* 01_users is missing; nothing/);
});
