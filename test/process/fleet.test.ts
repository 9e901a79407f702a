/** Twenty containers at once on MariaDB and on SQLite; for PostgreSQL see migrate.test.ts. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { makeFolder } from "../folder.ts";
import { noMariadb, query, startMariadb } from "../servers/mariadb.ts";
import { type BundleOptions, type Exit, runBundle } from "./bundle.ts";

const DRIVER = fileURLToPath(new URL("../../node_modules/mysql2", import.meta.url));

function options(url: string): BundleOptions {
  return {
    config: {
      app: "./app.mjs",
      settings: { DATABASE_URL: "database/url" },
      database: { url: "DATABASE_URL", migrations: "./migrations" },
    },
    secrets: { "database/url": url },
    files: {
      "app.mjs": `export const start = () => console.log("started");`,
      "migrations/1_steps.sql": "create table steps (step int);",
      "migrations/2_step.sql": "insert into steps values (2);",
      "migrations/3_step.sql": "insert into steps values (3);",
      // The app's own driver.
      "node_modules/mysql2/index.js": `module.exports = require(${JSON.stringify(DRIVER)});`,
    },
  };
}

async function bootTwenty(url: string): Promise<void> {
  const exits: Exit[] = await Promise.all(Array.from({ length: 20 }, () => runBundle(options(url))));
  for (const { code, stdout, stderr } of exits) assert.deepEqual([code, stdout], [0, "started\n"], stderr);
  const applied = exits.map(
    ({ events }) => events.filter(({ event }) => event === "migration.applied").length,
  );
  assert.deepEqual(
    applied.filter((count) => count > 0),
    [3],
  );
}

test("twenty containers boot at once on an empty MariaDB: one migrates, all start", {
  skip: noMariadb,
}, async () => {
  await using server = await startMariadb();
  const url = await server.createDatabase();
  await bootTwenty(url);
  assert.deepEqual(
    (await query(url, "select step from steps order by step")).map(({ step }) => step),
    [2, 3],
  );
});

test("twenty containers boot at once on one empty SQLite file: one migrates, all start", async () => {
  const file = join(makeFolder(), "shop.db");
  await bootTwenty(`sqlite:${file}`);
  const { DatabaseSync } = await import("node:sqlite");
  const rows = new DatabaseSync(file).prepare("select step from steps order by step").all();
  assert.deepEqual(
    rows.map(({ step }) => step),
    [2, 3],
  );
});
