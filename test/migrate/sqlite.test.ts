/** Migrations on SQLite: what is peculiar to it. The rest is in test/conformance/migration.test.ts. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import type { Books } from "../../entrypoint/migrate/books.ts";
import { createStore } from "../../entrypoint/migrate/sqlite.ts";
import { makeFolder } from "../folder.ts";
import { NODES } from "../process/bundle.ts";
import { killAtRandom } from "./kill.ts";
import { count, folder, openUrl, run } from "./run.ts";

/** Two tables, of which one points to the other, with a row each. */
const FAMILY = `create table parent (id integer primary key, name text);
create table child (id integer primary key, parent integer not null references parent on delete cascade);
insert into parent values (1, 'Ada'); insert into child values (1, 1);`;

function freshUrl(): string {
  return `sqlite:${join(makeFolder(), "shop.db")}`;
}

async function withBooks(url: string, work: (books: Books) => Promise<void>): Promise<void> {
  const books = await openUrl(url);
  try {
    await work(books);
  } finally {
    await books.close();
  }
}

test("a process that is killed at a random point leaves nothing half done and nothing locked", async () => {
  const outcomes = await killAtRandom({
    times: 30,
    seed: 3,
    createDatabase: async () => freshUrl(),
    slow: "create table if not exists bulk (i); insert into bulk with recursive n(i) as (select 1 union all select i + 1 from n where i < 30000) select i from n",
  });
  assert.equal(outcomes.cutOff, 0);
  assert.ok(outcomes.resumed > 0, JSON.stringify(outcomes));
});

test("a file may rebuild a table that others point to, and no row of theirs is lost", () =>
  withBooks(freshUrl(), async (books) => {
    const rebuild = `PRAGMA foreign_keys=OFF;
create table new_parent (id integer primary key, name text not null);
insert into new_parent select * from parent;
drop table parent;
alter table new_parent rename to parent;
PRAGMA foreign_keys=ON;`;
    await run(books, folder({ "1_family.sql": FAMILY, "2_rebuild.sql": rebuild }));
    assert.equal(await count(books, "child"), 1);
    await assert.rejects(books.session.run("insert into child values (2, 99)"), {
      code: "SQLITE_CONSTRAINT",
    });
  }));

test("a file that leaves rows pointing nowhere is rolled back", () =>
  withBooks(freshUrl(), async (books) => {
    const files = { "1_family.sql": FAMILY, "2_bad.sql": "pragma foreign_keys = off; delete from parent;" };
    await assert.rejects(run(books, folder(files)), {
      code: "MIGRATION_FAILED",
      message: /points nowhere: child → parent/,
    });
    assert.equal(await count(books, "parent"), 1);
    assert.equal((await books.store.records()).length, 1);
  }));

test("a file that commits by itself is reported, then and at the next boot, and not applied twice", () =>
  withBooks(freshUrl(), async (books) => {
    const text = "create table t (id int); insert into t values (1); commit; insert into t values (2);";
    await assert.rejects(run(books, folder({ "1_commits.sql": text })), /ends the transaction/);
    await assert.rejects(run(books, folder({ "1_commits.sql": text })), { code: "MIGRATION_INVALID" });
    assert.equal(await count(books, "t"), 2);
  }));

test("what SQLite can't do in a transaction is done outside of one", () =>
  withBooks(freshUrl(), async (books) => {
    const files = {
      "1_wal.sql": "-- migrate:no-transaction\npragma journal_mode = wal",
      "2_vacuum.sql": "-- migrate:no-transaction\nvacuum",
    };
    assert.equal((await run(books, folder(files))).length, 2);
    assert.deepEqual({ ...(await books.session.query("pragma journal_mode"))[0] }, { journal_mode: "wal" });
  }));

test("another process that writes is waited for", () =>
  withBooks(freshUrl(), async ({ session }) => {
    const [main] = await session.query("pragma database_list");
    const writer = new DatabaseSync(String(main?.file));
    writer.exec("begin immediate; create table theirs (id int)");
    let refusals = 0;
    const impatient = {
      ...session,
      run: (script: string) =>
        session.run(script).catch((error) => {
          if (error.code === "SQLITE_BUSY" && refusals++ === 0) writer.exec("commit");
          throw error;
        }),
    };
    const [migration] = folder({ "1_ours.sql": "create table ours (id int)" }).migrations;
    assert.ok(migration);
    await createStore(impatient).apply(migration, () => session.run("create table ours (id int)"));
    assert.equal(refusals, 1);
    assert.equal(
      (await session.query("select name from sqlite_schema where name in ('ours', 'theirs')")).length,
      2,
    );
    writer.close();
  }));

test("the lock is an empty file beside the database, without a journal", () =>
  withBooks(freshUrl(), async ({ lock, session }) => {
    const [main] = await session.query("pragma database_list");
    const folder = join(String(main?.file), "..");
    const got = await lock.tryAcquire();
    assert.ok("lost" in got);
    assert.deepEqual(readdirSync(folder).sort(), ["shop.db", "shop.db.sallyport-lock"]);
    await got.release();
    assert.deepEqual(readdirSync(folder).sort(), ["shop.db", "shop.db.sallyport-lock"]);
  }));

test("two links to one file find one lock", async () => {
  const folder = makeFolder();
  writeFileSync(join(folder, "shop.db"), "");
  symlinkSync(join(folder, "shop.db"), join(folder, "link.db"));
  await withBooks(`sqlite:${join(folder, "shop.db")}`, async (books) => {
    await withBooks(`sqlite:${join(folder, "link.db")}`, async (other) => {
      assert.ok("lost" in (await books.lock.tryAcquire()));
      assert.deepEqual(await other.lock.tryAcquire(), { holder: "another process" });
    });
  });
});

test("a lock file that can't be written is an error that says so", async () => {
  const url = freshUrl();
  mkdirSync(`${url.slice("sqlite:".length)}.sallyport-lock`);
  await withBooks(url, (books) =>
    assert.rejects(books.lock.tryAcquire(), { code: "MIGRATION_FAILED", message: /lock can't be taken/ }),
  );
});

test("a database in memory is migrated", () =>
  withBooks("sqlite::memory:", async (books) => {
    assert.deepEqual(await run(books, folder({ "1_t.sql": "create table t (id int)" })), ["1_t.sql"]);
  }));

test("a file that is no database, and a folder that is not there, are told apart", async () => {
  const text = join(makeFolder(), "text.db");
  writeFileSync(
    text,
    "This is a text, and rather a long one, longer than the header of a database, of which there are a hundred bytes.",
  );
  await assert.rejects(openUrl(`sqlite:${text}`), {
    code: "DATABASE_INVALID",
    message: /no SQLite database/,
  });
  await assert.rejects(openUrl("sqlite:/nowhere/shop.db"), {
    code: "DATABASE_UNREACHABLE",
    message: /CANTOPEN/,
  });
});

for (const { version, path } of NODES) {
  test(`Node ${version} does not warn of SQLite, and warns of other things as before`, () => {
    const module = new URL("../../entrypoint/database/sqlite.ts", import.meta.url).href;
    const script = `const { openSqlite } = await import("${module}");
      await openSqlite({ name: ":memory:", title: "memory" });
      process.emitWarning("of something else");`;
    const { status, stderr } = spawnSync(path, ["--input-type=module", "--eval", script], {
      encoding: "utf8",
    });
    assert.equal(status, 0, stderr);
    assert.doesNotMatch(stderr, /SQLite/);
    assert.match(stderr, /of something else/);
  });
}
