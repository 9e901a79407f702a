/** What every store of migrations must do. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { StatementError } from "../../entrypoint/database/session.ts";
import { SallyportError } from "../../entrypoint/errors.ts";
import { planMigrations } from "../../entrypoint/migrate/plan.ts";
import { count, folder, run } from "../migrate/run.ts";
import type { Subject, WithBooks } from "./stores.ts";

const BREAK = "\n--> statement-breakpoint\n";
const ORDERS = "create table orders (id int primary key)";

export function storeClaims(withBooks: WithBooks): void {
  test(
    "the books of an empty database are empty, and reading does not make them",
    withBooks(async ({ store }, place) => {
      assert.deepEqual(await store.records(), []);
      assert.deepEqual(await store.records(), []);
      assert.deepEqual(await place.tables(), []);
    }),
  );

  test(
    "what was applied is recorded with its checksum and its times in UTC",
    withBooks(async (books, place) => {
      const content = folder({ "001_orders.sql": ORDERS });
      assert.deepEqual(await run(books, content), ["001_orders.sql"]);
      const [record, ...others] = await books.store.records();
      assert.deepEqual(others, []);
      assert.equal(record?.id, "001_orders.sql");
      assert.equal(record.checksum, content.migrations[0]?.checksum);
      const { startedAt, finishedAt = "" } = record;
      for (const time of [startedAt, finishedAt]) {
        assert.equal(new Date(time).toISOString(), time);
        assert.ok(Math.abs(Date.parse(time) - Date.now()) < 3_600_000, `${time} is in another zone`);
      }
      assert.ok(startedAt <= finishedAt);
      assert.deepEqual(await place.tables(), ["orders", "sallyport_migrations"]);
      assert.deepEqual(await run(books, content), []);
    }),
  );

  test(
    "a file that fails has no finished record, and in one transaction leaves nothing",
    withBooks(async (books, place) => {
      const text = [ORDERS, "insert into nowhere values (1)"].join(BREAK);
      const error = await run(books, folder({ "001_broken.sql": text })).catch((it) => it);
      assert.ok(error instanceof SallyportError, inspect(error));
      assert.equal(error.code, "MIGRATION_FAILED");
      assert.match(error.message, /001_broken\.sql \(1 of 1\) failed: .*nowhere/s);
      const unfinished = (await books.store.records()).map(({ id, finishedAt }) => [id, finishedAt]);
      const { transactional } = books.store;
      assert.deepEqual(unfinished, transactional ? [] : [["001_broken.sql", undefined]]);
      assert.equal((await place.tables()).includes("orders"), !transactional);
    }),
  );

  test(
    "a file that was cut off is reported, and nothing runs",
    withBooks(async (books) => {
      const text = ["-- migrate:no-transaction", ORDERS].join("\n");
      const cut = [text, "insert into nowhere values (1)"].join(BREAK);
      await assert.rejects(run(books, folder({ "001_orders.sql": cut })));
      const content = folder({ "001_orders.sql": cut, "002_more.sql": "create table more (id int)" });
      const { problems } = planMigrations(content, await books.store.records(), { allowOutOfOrder: false });
      assert.deepEqual(
        problems.map(({ subject }) => subject),
        ["001_orders.sql"],
      );
      assert.match(problems[0]?.message ?? "", /cut off/);
      const error = await run(books, content).catch((it) => it);
      assert.equal(error.code, "MIGRATION_INVALID");
    }),
  );

  test(
    "a file that was cut off and calls itself idempotent is applied again",
    withBooks(async (books) => {
      const text = "-- migrate:no-transaction\n-- migrate:idempotent";
      const insert = "insert into orders values (1)";
      await books.session.run("create table orders (id int)");
      const cut = [`${text}\n${insert}`, "insert into late values (1)"].join(BREAK);
      await assert.rejects(run(books, folder({ "001_fill.sql": cut })));
      await books.session.run("create table late (id int)");
      assert.deepEqual(await run(books, folder({ "001_fill.sql": cut })), ["001_fill.sql"]);
      assert.equal(await count(books, "orders"), 2);
      assert.ok((await books.store.records())[0]?.finishedAt);
    }),
  );

  test(
    "a repeatable file is applied again when it has changed, and only then",
    withBooks(async (books) => {
      const first = { "001_orders.sql": ORDERS, "R__fill.sql": "insert into orders values (1)" };
      assert.deepEqual(await run(books, folder(first)), ["001_orders.sql", "R__fill.sql"]);
      assert.deepEqual(await run(books, folder(first)), []);
      const changed = { ...first, "R__fill.sql": "insert into orders values (2)" };
      assert.deepEqual(await run(books, folder(changed)), ["R__fill.sql"]);
      assert.deepEqual(await run(books, folder(changed)), []);
      assert.equal(await count(books, "orders"), 2);
    }),
  );

  test(
    "a database is adopted where it has tables, and not where it is empty",
    withBooks(async ({ store, session }, place) => {
      const { migrations } = folder({
        "001_orders.sql": ORDERS,
        "002_more.sql": "create table more (id int)",
      });
      assert.equal(await store.adopt(migrations), false);
      assert.deepEqual(await place.tables(), []);
      await session.run(ORDERS);
      assert.equal(await store.adopt(migrations), true);
      const records = await store.records();
      assert.deepEqual(records.map(({ id }) => id).sort(), ["001_orders.sql", "002_more.sql"]);
      assert.ok(records.every(({ finishedAt }) => finishedAt));
      assert.deepEqual(await place.tables(), ["orders", "sallyport_migrations"]);
    }),
  );
}

export function errorClaims(subject: Subject, withBooks: WithBooks): void {
  test(
    "the error of a statement has a code, and none of the values that were given to it",
    withBooks(async ({ session }) => {
      const { mark } = subject;
      if (subject.name !== "memory")
        await session.run("create table people (name varchar(99) primary key check (name <> ''), age int)");
      const insert = `insert into people (name) values (${mark})`;
      await session.query(insert, ["canary"]).catch(() => {});
      const errors: unknown[] = [];
      for (const [sql, value] of [
        [insert, "canary"],
        [`insert into people (name, age) values ('x', abs(${mark}))`, "canary"],
        [`insert into nowhere values (${mark})`, "canary"],
        [`insert into people (nothing) values (${mark})`, "canary"],
      ] as const) {
        await session.query(sql, [value]).catch((error) => errors.push(error));
      }
      // SQLite takes abs('canary') for 0.
      assert.ok(errors.length >= 3, inspect(errors));
      for (const error of errors) {
        assert.ok(error instanceof StatementError, inspect(error));
        assert.match(error.code, /^\w+$/);
        assert.doesNotMatch(inspect(error, { depth: 9, showHidden: true }), /canary/);
      }
    }),
  );
}
