/** Migrations on MariaDB and MySQL: what is peculiar to them. The rest is in test/conformance/migration.test.ts. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Database } from "../../entrypoint/database/database.ts";
import { type Session, StatementError } from "../../entrypoint/database/session.ts";
import type { Books } from "../../entrypoint/migrate/books.ts";
import type { Migration } from "../../entrypoint/migrate/migration.ts";
import { createLock, createStore } from "../../entrypoint/migrate/mysql.ts";
import { type MariadbServer, noMariadb, query, startMariadb } from "../servers/mariadb.ts";
import { killAtRandom } from "./kill.ts";
import { folder, openUrl, run } from "./run.ts";

describe("mysql", { skip: noMariadb }, () => {
  let server: MariadbServer;
  before(async () => {
    server = await startMariadb();
  });
  after(() => server?.close());

  const withBooks = (work: (books: Books, url: string) => Promise<void>) => async () => {
    const url = await server.createDatabase();
    const books = await openUrl(url);
    try {
      await work(books, url);
    } finally {
      await books.close();
    }
  };

  test("a process that is killed at a random point is followed by one that finishes, or names the file that was cut off", async () => {
    const outcomes = await killAtRandom({
      times: 30,
      seed: 3,
      createDatabase: () => server.createDatabase(),
      slow: "do sleep(0.02)",
    });
    assert.ok(outcomes.resumed > 0 && outcomes.cutOff > 0, JSON.stringify(outcomes));
  });

  for (const [what, text] of [
    ["makes a table", "-- orders; and more\ncreate table orders (id int, id int);"],
    ["changes rows", "insert into people values (1), (1)"],
  ] as const) {
    test(
      `a file with one statement that ${what} and fails has done nothing, and can be mended`,
      withBooks(async (books) => {
        await books.session.run("create table people (id int primary key)");
        await assert.rejects(run(books, folder({ "1.sql": text })), { code: "MIGRATION_FAILED" });
        assert.deepEqual(await books.store.records(), []);
        await run(books, folder({ "1.sql": "create table orders (id int)" }));
      }),
    );
  }

  for (const [what, text] of [
    ["several statements", "insert into nowhere values (1); select 1"],
    ["a call, which may do anything", "call nowhere()"],
    ["a DROP of two tables", "drop table people, nowhere"],
  ] as const) {
    test(
      `a file that fails stays marked as begun if it has ${what}`,
      withBooks(async (books) => {
        await books.session.run("create table people (id int primary key)");
        await assert.rejects(run(books, folder({ "1.sql": text })), { code: "MIGRATION_FAILED" });
        assert.equal((await books.store.records())[0]?.finishedAt, undefined);
        await assert.rejects(run(books, folder({ "1.sql": text })), { code: "MIGRATION_INVALID" });
      }),
    );
  }

  test(
    "rows of a table that knows no transactions may be half changed, so its file stays marked as begun",
    withBooks(async (books) => {
      await books.session.run("create table people (id int primary key) engine = MyISAM");
      await assert.rejects(run(books, folder({ "1.sql": "insert into people values (1), (1)" })));
      assert.equal((await books.store.records()).length, 1);
      await books.session.run("drop table people");
    }),
  );

  test(
    "a changed repeatable file that fails leaves the record of its last success",
    withBooks(async (books) => {
      const content = (text: string) => folder({ "R__fill.sql": text });
      await books.session.run("create table people (id int primary key)");
      await run(books, content("insert into people values (1)"));
      const records = await books.store.records();
      await assert.rejects(run(books, content("insert into people values (1), (1)")));
      assert.deepEqual(await books.store.records(), records);
      assert.deepEqual(await run(books, content("insert into people values (2)")), ["R__fill.sql"]);
    }),
  );

  /** Applies the file with a deadlock in its last statement's first try, and counts how often statements ran. */
  async function applyUnderDeadlock(
    { session }: Books,
    text: string,
  ): Promise<{ runs: number; fault: unknown }> {
    const [migration] = folder({ "1.sql": text }).migrations as [Migration];
    let runs = 0;
    const work = async (content: Migration["content"]) => {
      assert.ok("statements" in content);
      for (const statement of content.statements) {
        runs++;
        await session.run(statement);
      }
      if (runs === 1) throw new StatementError("ER_LOCK_DEADLOCK", "Deadlock found");
    };
    const fault = await createStore(session)
      .apply(migration, work)
      .catch((error) => error);
    return { runs, fault };
  }

  test(
    "the victim of a deadlock is tried again where that can do nothing twice, and only there",
    withBooks(async (books) => {
      await books.session.run("create table people (id int)");
      const one = await applyUnderDeadlock(books, "insert into people values (1)");
      assert.deepEqual(one, { runs: 2, fault: undefined });
      await books.session.run("delete from sallyport_migrations");
      const marked = "-- migrate:idempotent\ninsert into people values (1); select 1";
      assert.deepEqual(await applyUnderDeadlock(books, marked), { runs: 2, fault: undefined });
      await books.session.run("delete from sallyport_migrations");
      const several = await applyUnderDeadlock(books, "insert into people values (1); select 1");
      assert.equal(several.runs, 1);
      assert.equal((several.fault as StatementError).code, "ER_LOCK_DEADLOCK");
      assert.equal((await books.store.records())[0]?.finishedAt, undefined);
    }),
  );

  test(
    "a statement that waits for a table lets go of its place, so that others get through, and tries again",
    withBooks(async (books, url) => {
      const reader = (await openUrl(url)).session;
      await reader.run("create table people (id int)");
      await reader.run("start transaction; select * from people");
      const refusals: string[] = [];
      const [migration] = folder({ "1.sql": "alter table people add name text" }).migrations as [Migration];
      await createStore(books.session).apply(migration, () =>
        books.session.run("alter table people add name text").catch(async (error) => {
          refusals.push(error.code);
          await reader.run("commit");
          throw error;
        }),
      );
      assert.deepEqual(refusals, ["ER_LOCK_WAIT_TIMEOUT"]);
      await reader.close();
    }),
  );

  test(
    "a proxy that lends its connections by the statement is found out",
    withBooks(async (books, url) => {
      const [even, odd] = [books.session, (await openUrl(url)).session];
      let turn = 0;
      const proxied: Session = { ...even, query: (sql) => (turn++ % 2 ? odd : even).query(sql) };
      const lock = createLock(async () => proxied, { title: "the shop" } as Database);
      await assert.rejects(lock.tryAcquire(), {
        code: "DATABASE_INVALID",
        message: /^the shop is behind a proxy/,
      });
      await odd.close();
    }),
  );

  test(
    "a holder that may not be seen is told by its connection",
    withBooks(async ({ lock }, url) => {
      assert.ok("lost" in (await lock.tryAcquire()));
      const name = new URL(url).pathname.slice(1);
      await query(server.url, `grant all on ${name}.* to humble@localhost identified by 'humble'`);
      const humble = await openUrl(
        Object.assign(new URL(url), { username: "humble", password: "humble" }).href,
      );
      const got = await humble.lock.tryAcquire();
      assert.match("holder" in got ? got.holder : "", /^connection \d+$/);
      await humble.close();
    }),
  );
});
