import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { describeSchema } from "../../entrypoint/schema/schema.ts";
import { type PostgresServer, startPostgres } from "../servers/postgres.ts";
import { assertMends, countQueries, mends, tell, throughFile } from "./ask.ts";
import { openWith, SHOP } from "./shop.ts";

let server: PostgresServer;
before(async () => {
  server = await startPostgres();
});
after(() => server.close());

test("what is written of a database is fulfilled by it, is the same each time, and leaves out records of migrators", async () => {
  await using asking = await openWith(
    server,
    `${SHOP}
     create extension pg_trgm; create extension pg_stat_statements;
     create table sallyport_migrations (id text); create table _prisma_migrations (id text);
     create table "SequelizeMeta" (name text); create schema drizzle; create table drizzle.__drizzle_migrations (id int);
     create table parted (at date not null) partition by range (at);
     create table parted_2026 partition of parted for values from ('2026-01-01') to ('2027-01-01');
     create index parted_at_idx on parted (at);
     insert into orders (note) values ('a'), ('a')`,
  );
  await asking.session.run("create unique index concurrently half on orders (note)").catch(() => {});
  const all = ["select", "insert", "update", "delete"];
  const written = await describeSchema(asking.session, "postgres");
  assert.deepEqual(JSON.stringify(await describeSchema(asking.session, "postgres")), JSON.stringify(written));
  assert.deepEqual(written, {
    tables: {
      "billing.bills": {
        columns: { id: { type: "integer", nullable: false }, kind: "billing.kind" },
        privileges: all,
      },
      orders: {
        columns: {
          id: { type: "bigint", nullable: false },
          note: "text",
          at: { type: "timestamp with time zone", nullable: false },
          status: { type: "order_status", nullable: false },
          price: "numeric(10,2)",
        },
        indexes: ["orders_at_idx", "orders_pkey"],
        privileges: all,
      },
      parted: {
        columns: { at: { type: "date", nullable: false } },
        indexes: ["parted_at_idx"],
        privileges: all,
      },
    },
    enums: { "billing.kind": ["a"], order_status: ["new", "paid"] },
    extensions: ["pg_stat_statements", "pg_trgm"],
  });
  assert.deepEqual(tell(await asking.check(await throughFile(written))), []);
});

test("names that need quotes go there and back, and are mended", async () => {
  await using asking = await openWith(
    server,
    `create schema "My.Schema";
     create type "My.Schema"."Größe's" as enum ('it''s', '大', '');
     create table "My.Schema"."select" ("from" "My.Schema"."Größe's" not null, "a.b" text, "we""ird" int[], "12" int);
     create table "Order ""Lines""" ("Mixed Case" text, "__prototype__" int);
     create table """quoted""" (id int);
     create index "Ix ""1""" on "Order ""Lines""" ("Mixed Case");`,
  );
  const written = await describeSchema(asking.session, "postgres");
  assert.deepEqual(Object.keys(written.tables ?? {}), [
    '"""quoted"""',
    '"My.Schema".select',
    'Order "Lines"',
  ]);
  assert.deepEqual(tell(await asking.check(await throughFile(written))), []);
  await asking.session.run(
    'drop schema "My.Schema" cascade; drop table "Order ""Lines"""; drop table """quoted"""',
  );
  await asking.session.run('create schema "My.Schema"');
  const { 'Order "Lines"': lines = {}, ...tables } = written.tables ?? {};
  const { indexes, ...unindexed } = lines;
  assert.deepEqual(indexes, ['Ix "1"']);
  await assertMends(asking, { ...written, tables: { ...tables, 'Order "Lines"': unindexed } });
});

test("views, partitioned tables, generated columns, domains and arrays are checked as what they are to an app", async () => {
  await using asking = await openWith(
    server,
    `create domain email as varchar(200) check (value like '%@%');
     create domain required as text not null;
     create table people (email email, tags text[], net int, gross int generated always as (net * 2) stored, r required);
     create view mails as select email, tags from people;
     create materialized view counted as select count(*) as n from people;
     create unique index counted_n on counted (n);
     create table parted (id int) partition by hash (id);
     create table parted_0 partition of parted for values with (modulus 1, remainder 0);
     create index parted_id on only parted (id);`,
  );
  assert.deepEqual(
    tell(
      await asking.check({
        tables: {
          people: {
            columns: { email: "email", tags: "text[]", gross: "int", r: { type: "text", nullable: false } },
          },
          mails: { columns: { email: "varchar", tags: "_text" }, privileges: ["select"] },
          counted: { columns: { n: "bigint" }, indexes: ["counted_n"] },
          parted: { columns: { id: "int" } },
          parted_0: {},
        },
      }),
    ),
    [],
  );
  const problems = await asking.check({
    tables: {
      people: { columns: { email: "text", gross: "bigint", tags: "int[]" } },
      mails: { columns: { email: "text", other: "text" } },
      counted: { columns: { n: "int" } },
      parted: { indexes: ["parted_id", "parted_new"] },
    },
  });
  assert.deepEqual(mends(problems), [
    'ALTER TABLE "people" ALTER COLUMN "email" TYPE text USING "email"::text',
    'ALTER TABLE "people" ALTER COLUMN "gross" TYPE bigint',
    'ALTER TABLE "people" ALTER COLUMN "tags" TYPE int[] USING "tags"::int[]',
    'CREATE OR REPLACE VIEW "mails" AS SELECT …',
    'CREATE OR REPLACE VIEW "mails" AS SELECT …',
    'DROP MATERIALIZED VIEW "counted"; CREATE MATERIALIZED VIEW "counted" AS SELECT …',
    'ALTER INDEX "parted_id" ATTACH PARTITION …',
    'CREATE INDEX "parted_new" ON "parted" (…)',
  ]);
});

test("300 tables are one query", async () => {
  await using asking = await openWith(
    server,
    "do $$ begin for n in 1..300 loop execute format('create table t%s (id bigint primary key, note text)', n); end loop; end $$",
  );
  const tables = Object.fromEntries(
    Array.from({ length: 301 }, (_, n) => [
      `t${n + 1}`,
      { columns: { id: "bigint", note: "text" }, indexes: [`t${n + 1}_pkey`] },
    ]),
  );
  const queries = await countQueries(asking, async () => {
    assert.deepEqual(tell(await asking.check({ tables })), ["t301: the table does not exist"]);
  });
  assert.equal(queries, 1);
});
