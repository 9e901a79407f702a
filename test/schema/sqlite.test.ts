import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { describeSchema } from "../../entrypoint/schema/schema.ts";
import { makeFolder } from "../folder.ts";
import { ask, assertMends, mends, tell, throughFile } from "./ask.ts";

async function openWith(script: string) {
  const asking = await ask(`sqlite:${join(makeFolder(), "app.db")}`);
  await asking.session.run(script);
  return asking;
}

const SHOP = `
create table orders (id integer primary key, note text, price numeric(10, 2) not null, at TIMESTAMP);
create index orders_at_idx on orders (at);
create table lines (order_id integer not null references orders, n int not null, primary key (order_id, n)) without rowid;
create view totals as select order_id, count(*) as n from lines group by order_id;
create table sallyport_migrations (id text);
create table _prisma_migrations (id text);
create table knex_migrations_lock (id text);`;

test("everything that is different is told at once", async () => {
  await using asking = await openWith(SHOP);
  const problems = await asking.check({
    tables: {
      orders: {
        columns: {
          id: "bigint",
          note: { type: "text", nullable: false },
          more: "text",
          price: "NUMERIC(10,2)",
        },
        indexes: ["orders_at_idx", "orders_note_idx"],
        privileges: ["select", "delete"],
      },
      customers: { columns: { id: "integer", name: { type: "text", nullable: false } }, severity: "warn" },
    },
    enums: { status: ["new"] },
    extensions: ["pgcrypto"],
  });
  assert.deepEqual(tell(problems), [
    "pgcrypto: this database has no extensions",
    "status: this database has no enums with names",
    "orders.id: the type is INTEGER, and bigint is expected",
    "orders.note: NULL is possible, and not expected",
    "orders.more: the column does not exist",
    "orders: the index orders_note_idx does not exist",
    "(warning) customers: the table does not exist",
  ]);
  assert.deepEqual(mends(problems), [
    "-- SQLite has no such extensions: take it out of the expectations",
    "-- SQLite has no enums: take it out of the expectations",
    'CREATE TABLE "orders_new" (… "id" bigint NOT NULL …); INSERT INTO "orders_new" SELECT … FROM "orders"; DROP TABLE "orders"; ALTER TABLE "orders_new" RENAME TO "orders"',
    'CREATE TABLE "orders_new" (… "note" TEXT NOT NULL …); INSERT INTO "orders_new" SELECT … FROM "orders"; DROP TABLE "orders"; ALTER TABLE "orders_new" RENAME TO "orders"',
    'ALTER TABLE "orders" ADD COLUMN "more" text',
    'CREATE INDEX "orders_note_idx" ON "orders" (…)',
    'CREATE TABLE "customers" ("id" integer, "name" text NOT NULL)',
  ]);
});

test("what is written of a database is fulfilled by it, and is the same each time", async () => {
  await using asking = await openWith(SHOP);
  const written = await describeSchema(asking.session, "sqlite");
  assert.deepEqual(await describeSchema(asking.session, "sqlite"), written);
  assert.deepEqual(written, {
    tables: {
      lines: {
        columns: { order_id: { type: "INTEGER", nullable: false }, n: { type: "INT", nullable: false } },
      },
      orders: {
        columns: {
          id: { type: "INTEGER", nullable: false },
          note: "TEXT",
          price: { type: "numeric(10, 2)", nullable: false },
          at: "TIMESTAMP",
        },
        indexes: ["orders_at_idx"],
      },
      totals: { columns: { order_id: "INTEGER", n: {} } },
    },
  });
  assert.deepEqual(tell(await asking.check(await throughFile(written))), []);
});

test("each mend that is whole mends", async () => {
  await using asking = await openWith(SHOP);
  await assertMends(asking, {
    tables: {
      orders: { columns: { more: "text", 'we"ird order': {} } },
      select: { columns: { from: { type: "integer", nullable: false } } },
    },
  });
});

test("names in any case are the same, and names that need quotes are found", async () => {
  await using asking = await openWith(
    `create table "Order Lines" ("we""ird" text, "Größe.大" int not null, "select" bigint, "" text);
     create table "a.b" ("x.y" text);
     create index "my ""index""" on "Order Lines" ("select");`,
  );
  const written = await describeSchema(asking.session, "sqlite");
  assert.deepEqual(Object.keys(written.tables ?? {}), ['"a.b"', "Order Lines"]);
  assert.deepEqual(tell(await asking.check(await throughFile(written))), []);
  assert.deepEqual(
    tell(
      await asking.check({
        tables: { "ORDER LINES": { columns: { SELECT: "BigInt" }, indexes: ['MY "INDEX"'] } },
      }),
    ),
    [],
  );
});

test("a table of an attached database is found by its full name", async () => {
  await using asking = await openWith("create table orders (id int)");
  await asking.session.run(
    `attach '${join(makeFolder(), "more.db")}' as billing; create table billing.bills (id int)`,
  );
  const expected = {
    tables: { "billing.bills": { columns: { id: "int" } }, "billing.orders": {}, bills: {} },
  };
  assert.deepEqual(tell(await asking.check(expected)), [
    "billing.orders: the table does not exist",
    "bills: the table does not exist",
  ]);
});

test("generated columns and virtual tables count; a broken view breaks nothing", async () => {
  await using asking = await openWith(
    `create table orders (net int, gross int generated always as (net * 2) stored);
     create view broken as select * from orders; create virtual table notes using fts5 (body);
     alter table orders rename to orders2; drop view broken; create view broken as select * from nowhere;`,
  );
  const expected = {
    tables: { orders2: { columns: { gross: "int" } }, notes: { columns: { body: {} } }, broken: {} },
  };
  assert.deepEqual(tell(await asking.check(expected)), ["broken: the table does not exist"]);
  const { tables = {} } = await describeSchema(asking.session, "sqlite");
  assert.deepEqual(Object.keys(tables), ["orders2"]);
});
