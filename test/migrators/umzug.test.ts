import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import pg from "pg";
import { type RunnableMigration, Umzug } from "umzug";
import type { Migrator } from "../../entrypoint/migrators/migrator.ts";
import { type UmzugOptions, umzug } from "../../entrypoint/migrators/migrators.ts";
import { type PostgresServer, query, startPostgres } from "../servers/postgres.ts";
import { failureOf, runFiveAtOnce, runUnderLock, statusOf } from "./under-lock.ts";

let server: PostgresServer;
before(async () => {
  server = await startPostgres();
});
after(() => server.close());

type Migration = RunnableMigration<pg.Pool>;

const run = (name: string, statement: string): Migration => ({
  name,
  up: async ({ context }) => void (await context.query(statement)),
});
const USERS = run("users", "create table users (id int)");
const ORDERS = run("orders", "create table orders (id int)");

/** As most storages do it: the table is made by whoever asks first. */
const CREATE = "create table if not exists books (name text)";
const storage = {
  async executed({ context }: { context: pg.Pool }) {
    await context.query(CREATE);
    return (await context.query("select name from books")).rows.map(({ name }) => String(name));
  },
  async logMigration({ context, name }: { context: pg.Pool; name: string }) {
    await context.query("insert into books values ($1)", [name]);
  },
  async unlogMigration() {},
};

function create(url: string, migrations: Migration[]): Umzug<pg.Pool> {
  const context = new pg.Pool({ connectionString: url });
  return new Umzug<pg.Pool>({ migrations, context, storage, logger: undefined });
}

function open(url: string, migrations: Migration[], options?: UmzugOptions): Migrator {
  const instance = create(url, migrations);
  const context = instance.options.context as pg.Pool;
  return { ...umzug(instance, options), close: () => context.end() };
}

test("two of Umzug's own runs apply a migration twice; five of them under the lock apply it once", async () => {
  const url = await server.createDatabase();
  await query(url, `${CREATE}; create table balance (amount int)`);
  let begun = 0;
  const both = Promise.withResolvers<void>();
  const payment: Migration = {
    name: "payment",
    up: async ({ context }) => {
      if (++begun === 2) both.resolve();
      await both.promise;
      await context.query("insert into balance values (100)");
    },
  };
  const runs = [create(url, [payment]), create(url, [payment])];
  await Promise.allSettled(runs.map((it) => it.up()));
  await Promise.all(runs.map((it) => (it.options.context as pg.Pool).end()));
  assert.deepEqual(await query(url, "select sum(amount)::int as total from balance"), [{ total: 200 }]);

  const fresh = await server.createDatabase();
  const results = await runFiveAtOnce(fresh, () => open(fresh, [USERS, ORDERS]));
  assert.deepEqual(results, [["users", "orders"], [], [], [], []]);
  assert.deepEqual(await query(fresh, "select name from books"), [{ name: "users" }, { name: "orders" }]);
});

test("one that stands before the last executed one is a problem, unless that is allowed", async () => {
  const url = await server.createDatabase();
  await runUnderLock(url, open(url, [USERS]));
  const { code, problems } = await failureOf(runUnderLock(url, open(url, [ORDERS, USERS])));
  assert.equal(code, "MIGRATION_INVALID");
  assert.deepEqual(
    problems.map(({ subject }) => subject),
    ["orders"],
  );

  const { pending, problems: none } = await statusOf(open(url, [ORDERS, USERS], { outOfOrder: "allow" }));
  assert.deepEqual({ pending, none }, { pending: ["orders"], none: [] });
});

test("a migration that fails is named, with the database's reason, and so is what came before it", async () => {
  const url = await server.createDatabase();
  const again = run("again", "create table users (id int)");
  const error = await failureOf(runUnderLock(url, open(url, [USERS, again, ORDERS])));
  assert.equal(error.code, "MIGRATION_FAILED");
  assert.equal(error.exitCode, 79);
  assert.equal(
    error.message,
    'migration again failed: relation "users" already exists (42P07); users were applied before it',
  );
});
