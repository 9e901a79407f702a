/** The bundle from database to warm, on SQLite, which is everywhere. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { type BundleOptions, NODES, runBundle, startBundle } from "./bundle.ts";

const APP = `export const start = () => console.log("started");`;
const CREATE = "create table orders (id integer primary key, note text);";

function options(
  database: object,
  files: Readonly<Record<string, string>>,
  more: object = {},
): BundleOptions {
  return {
    config: {
      app: "./app.mjs",
      settings: { DATABASE_URL: "database/url" },
      database: { url: "DATABASE_URL", ...database },
      ...more,
    },
    secrets: { "database/url": "sqlite:./shop.db" },
    files: { "app.mjs": APP, ...files },
  };
}

for (const { version, path: node } of NODES) {
  test(`migrations, schema check, warm and app follow one another (Node ${version})`, async () => {
    const files = {
      "migrations/1_orders.sql": CREATE,
      "schema.json": JSON.stringify({ tables: { orders: { columns: { id: "integer", note: "text" } } } }),
      "warm.mjs": `export const warm = (settings) => console.log("warm", typeof settings.DATABASE_URL);`,
    };
    const exit = await runBundle({
      ...options({ migrations: "./migrations", expect: "./schema.json" }, files, { warm: "./warm.mjs" }),
      node,
    });
    assert.deepEqual([exit.code, exit.stdout], [0, "warm string\nstarted\n"], exit.stderr);
    const phases = exit.events.filter(({ event }) => event === "phase.completed").map(({ phase }) => phase);
    assert.deepEqual(phases, [
      "config",
      "identity",
      "fetch",
      "settings",
      "guard",
      "database",
      "migrate",
      "schema",
      "warm",
      "app",
    ]);
  });
}

test("a schema that is not what the app expects: every difference with the SQL that mends it, exit 80, no app", async () => {
  const expect = {
    tables: {
      orders: {
        columns: { id: "integer", total: "real", note: { type: "integer", severity: "warn" } },
        indexes: ["orders_note"],
      },
      customers: { columns: { id: "integer" } },
    },
  };
  const files = { "migrations/1_orders.sql": CREATE, "schema.json": JSON.stringify(expect) };
  const exit = await runBundle(options({ migrations: "./migrations", expect: "./schema.json" }, files));
  assert.deepEqual([exit.code, exit.stdout], [80, ""], exit.stderr);
  const subjects = exit.events.filter(({ event }) => event === "problem.found").map(({ subject }) => subject);
  assert.deepEqual(subjects.length, 3, exit.stderr);
  assert.match(exit.stderr, /ALTER TABLE/i);
});

test("an expect file with mistakes is told like a config", async () => {
  const files = { "schema.json": JSON.stringify({ tables: { orders: { colums: {} } } }) };
  const exit = await runBundle(options({ expect: "./schema.json" }, files));
  assert.equal(exit.code, 78);
  assert.match(exit.stderr, /tables\.orders\.colums/);
});

test("check --write-schema writes what is there, and then it is as expected", async () => {
  const files = { "migrations/1_orders.sql": CREATE };
  const database = { migrations: "./migrations", expect: "./schema.json" };
  await using migrated = startBundle({
    ...options({ migrations: "./migrations" }, files),
    args: ["migrate"],
  });
  assert.equal((await migrated.exit).code, 0);
  const url = { "database/url": `sqlite:${join(migrated.directory, "shop.db")}` };
  await using written = startBundle({
    ...options(database, files),
    secrets: url,
    args: ["check", "--write-schema"],
  });
  const { code, stderr } = await written.exit;
  assert.equal(code, 0, stderr);
  const text = readFileSync(join(written.directory, "schema.json"), "utf8");
  assert.deepEqual(Object.keys(JSON.parse(text).tables), ["orders"]);
  const exit = await runBundle({ ...options(database, { ...files, "schema.json": text }), secrets: url });
  assert.deepEqual([exit.code, exit.stdout], [0, "started\n"], exit.stderr);
});

test("check tells of migrations and schema together", async () => {
  const files = {
    "migrations/1_a.sql": "select 1;",
    "migrations/01_b.sql": "select 1;",
    "migrations/2_empty.sql": "--",
    "schema.json": JSON.stringify({ tables: { orders: { columns: { id: "integer" } } } }),
  };
  const exit = await runBundle({
    ...options({ migrations: "./migrations", expect: "./schema.json" }, files),
    args: ["check", "--json"],
  });
  assert.equal(exit.code, 79);
  const told = JSON.parse(exit.stdout);
  assert.equal(told.error.code, "MIGRATION_INVALID");
  assert.equal(told.more[0].code, "SCHEMA_INVALID");
});

describe("the app's own migrator", () => {
  const migrator = `
    import { existsSync, writeFileSync } from "node:fs";
    export default (settings, { log }) => ({
      name: "our own",
      status: async () => ({ applied: existsSync("done") ? ["first"] : [], pending: existsSync("done") ? [] : ["first"], problems: [] }),
      up: async () => { log.info("working"); writeFileSync("done", ""); return ["first"]; },
    });`;

  test("runs under the lock, once", async () => {
    const exit = await runBundle(
      options({ migrations: { module: "./migrate.mjs" } }, { "migrate.mjs": migrator }),
    );
    assert.deepEqual([exit.code, exit.stdout], [0, "started\n"], exit.stderr);
    assert.deepEqual(
      exit.events.filter(({ event }) => event === "migration.applied").map(({ id }) => id),
      ["first"],
    );
  });

  test("that is none is a clear error, exit 79", async () => {
    const exit = await runBundle(
      options({ migrations: { module: "./migrate.mjs" } }, { "migrate.mjs": "export const x = 1;" }),
    );
    assert.equal(exit.code, 79);
    assert.match(exit.stderr, /export default \{ name, status, up \}/);
  });
});

describe("warm", () => {
  const warm = (text: string, more: object = {}) => ({
    config: { app: "./app.mjs", warm: "./warm.mjs", ...more },
    files: { "app.mjs": APP, "warm.mjs": text },
  });

  test("that throws keeps the app from starting: exit 70", async () => {
    const exit = await runBundle(warm("export default () => { throw new Error('cold'); }"));
    assert.deepEqual([exit.code, exit.stdout], [70, ""]);
    assert.match(exit.stderr, /Error: cold/);
    assert.match(exit.stderr, /WARM_FAILED/);
  });

  test("that exports nothing, or takes longer than bootTimeout, is told so", async () => {
    assert.match((await runBundle(warm("export const x = 1"))).stderr, /exports neither warm/);
    const slow = await runBundle(
      warm("export const warm = () => new Promise((r) => setTimeout(r, 1e8))", { bootTimeout: "300ms" }),
    );
    assert.equal(slow.code, 70);
    assert.match(slow.stderr, /bootTimeout passed in phase warm/);
  });
});
