import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import Knex from "knex";
import { migrateByModule } from "../../entrypoint/migrate/module.ts";
import type { Migrator } from "../../entrypoint/migrators/migrator.ts";
import { knex } from "../../entrypoint/migrators/migrators.ts";
import { makeFolder } from "../folder.ts";
import { type PostgresServer, query, startPostgres } from "../servers/postgres.ts";
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

const KNEX_LATEST = join(import.meta.dirname, "../fixtures/migrators/knex-latest.ts");

const DOWN = "exports.down = async () => {};";
const USERS = `exports.up = (knex) => knex.schema.createTable("users", (t) => t.integer("id")); ${DOWN}`;
/** In no transaction, so that Knex's own lock is committed before it begins. */
const KILLED = `exports.config = { transaction: false };
exports.up = async (knex) => {
  if (process.env.KILLED === "here") process.kill(process.pid, "SIGKILL");
  await knex.raw("create index concurrently users_id on users (id)");
}; ${DOWN}`;

function makeFiles(files: Readonly<Record<string, string>>): string {
  const folder = join(makeFolder(), "migrations");
  mkdirSync(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

const silent = { warn() {}, error() {}, deprecate() {}, debug() {} };

function open(url: string, directory: string): Migrator {
  const db = Knex({ client: "pg", connection: url, log: silent });
  return { ...knex(db, { directory }), close: () => db.destroy() };
}

test("a run that is killed leaves Knex locked for ever; the next boot frees it, because it holds a real lock, and finishes", async () => {
  const url = await server.createDatabase();
  const folder = makeFiles({ "01_users.cjs": USERS, "02_index.cjs": KILLED });
  const env = { ...process.env, KILLED: "here" };
  const { signal } = spawnSync(process.execPath, [KNEX_LATEST, url, folder], { env });
  assert.equal(signal, "SIGKILL");
  assert.deepEqual(await query(url, "select is_locked from knex_migrations_lock"), [{ is_locked: 1 }]);
  const { stderr, status } = spawnSync(process.execPath, [KNEX_LATEST, url, folder], { encoding: "utf8" });
  assert.equal(status, 1);
  assert.match(stderr, /Migration table is already locked/);

  assert.deepEqual(await runUnderLock(url, open(url, folder)), ["02_index.cjs"]);
  assert.deepEqual(await query(url, "select is_locked from knex_migrations_lock"), [{ is_locked: 0 }]);
  assert.deepEqual(
    await query(url, "select indisvalid from pg_index where indexrelid = 'users_id'::regclass"),
    [{ indisvalid: true }],
  );
});

test("of five that start at once on an empty database, one applies everything and four find nothing to do", async () => {
  const url = await server.createDatabase();
  const folder = makeFiles({ "01_users.cjs": USERS, "02_index.cjs": KILLED });
  const results = await runFiveAtOnce(url, () => open(url, folder));
  assert.deepEqual(results, [["01_users.cjs", "02_index.cjs"], [], [], [], []]);
});

test("asking for the status makes no tables, as Knex itself would", async () => {
  const url = await server.createDatabase();
  const migrator = open(url, makeFiles({ "2_b.cjs": USERS, "1_a.cjs": USERS, "notes.md": "" }));
  assert.deepEqual((await statusOf(migrator)).pending, ["1_a.cjs", "2_b.cjs"]);
  assert.deepEqual(await query(url, "select tablename from pg_tables where schemaname = 'public'"), []);
});

test("a migration that fails is named, with the database's reason and no value out of the statement", async () => {
  const url = await server.createDatabase();
  const failing = `exports.up = (knex) => knex("users").insert({ id: 7, name: "secret-value" }); ${DOWN}`;
  const folder = makeFiles({ "01_users.cjs": USERS, "02_seed.cjs": failing });
  const error = await failureOf(runUnderLock(url, open(url, folder)));
  assert.equal(error.code, "MIGRATION_FAILED");
  assert.equal(error.exitCode, 79);
  assert.equal(
    error.message,
    'migration 02_seed.cjs failed: column "name" of relation "users" does not exist (42703); nothing was applied before it',
  );
});

test("what was applied before the one that failed is told", async () => {
  const url = await server.createDatabase();
  const failing = `exports.config = { transaction: false }; exports.up = async () => { throw new TypeError("x is not a function"); }; ${DOWN}`;
  const folder = makeFiles({ "01_users.cjs": USERS, "02_code.cjs": failing });
  const { message } = await failureOf(runUnderLock(url, open(url, folder)));
  assert.equal(
    message,
    "migration 02_code.cjs failed: x is not a function; 01_users.cjs were applied before it",
  );
});

test("a file that is gone is a problem, unless it is newer than all that are here", async () => {
  const url = await server.createDatabase();
  const nothing = `exports.up = async () => {}; ${DOWN}`;
  const folder = makeFiles({ "01_users.cjs": USERS, "02_b.cjs": nothing, "03_c.cjs": nothing });
  await runUnderLock(url, open(url, folder));
  rmSync(join(folder, "03_c.cjs"));
  const migrator = open(url, folder);
  assert.deepEqual(await migrateByModule({ migrator, lock: LOCK_OF_NOBODY }, createOptions()), []);
  rmSync(join(folder, "01_users.cjs"));
  const { problems } = await failureOf(runUnderLock(url, open(url, folder)));
  assert.deepEqual(problems, [
    { subject: "01_users.cjs", message: "was applied, but its file is gone; put it back as it was" },
  ]);
});

test("names, tables and hooks of the instance's own config are kept to", async () => {
  const url = await server.createDatabase();
  const directory = makeFiles({ "01_users.cjs": USERS });
  const seen: unknown[] = [];
  const db = Knex({
    client: "pg",
    connection: url,
    log: silent,
    migrations: {
      directory,
      tableName: "books",
      ...{ beforeEach: (_: unknown, [it]: unknown[]) => seen.push(it) },
    },
  });
  const migrator = { ...knex(db), close: () => db.destroy() };
  assert.deepEqual(await runUnderLock(url, migrator), ["01_users.cjs"]);
  assert.deepEqual(seen, [{ file: "01_users.cjs", directory }]);
  assert.deepEqual(await query(url, "select name from books"), [{ name: "01_users.cjs" }]);
});
