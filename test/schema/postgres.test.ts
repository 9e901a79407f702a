import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertSchema } from "../../entrypoint/schema/schema.ts";
import { type PostgresServer, startPostgres } from "../servers/postgres.ts";
import { ask, assertMends, mends, tell } from "./ask.ts";
import { EXPECTED, openWith, SHOP } from "./shop.ts";

let server: PostgresServer;
before(async () => {
  server = await startPostgres();
});
after(() => server.close());

test("more than what is expected is fine", async () => {
  await using asking = await openWith(server, SHOP);
  assert.deepEqual(tell(await asking.check(EXPECTED)), []);
  assert.deepEqual(tell(await asking.check({})), []);
});

test("everything that is different is told at once, each with the SQL that mends it", async () => {
  await using asking = await openWith(server, SHOP);
  const { session } = asking;
  await session.run("insert into orders (note) values ('twice'), ('twice')");
  await session.run("create unique index concurrently orders_note_idx on orders (note)").catch(() => {});
  const problems = await asking.check({
    extensions: ["pgcrypto", { name: "hstore", severity: "warn" }],
    enums: { order_status: ["new", "it's sent"], "billing.Kind": ["a", "b"] },
    tables: {
      orders: {
        columns: {
          id: "integer",
          note: { type: "varchar", nullable: false, severity: "warn" },
          at: { type: "timestamptz", nullable: true },
          sent_at: { type: "timestamptz", nullable: false },
          anything: {},
        },
        indexes: ["orders_at_idx", "orders_note_idx", { name: "orders_sent_idx", severity: "warn" }],
      },
      "billing.Bills": {
        columns: { id: { type: "bigint", nullable: false }, note: "text" },
        severity: "warn",
      },
    },
  });
  assert.deepEqual(tell(problems), [
    "pgcrypto: the extension is not installed",
    "(warning) hstore: the extension is not installed",
    "order_status: the enum has no value 'it's sent'",
    "billing.Kind: the enum does not exist",
    "orders.id: the type is bigint, and integer is expected",
    "(warning) orders.note: the type is text, and varchar is expected",
    "(warning) orders.note: NULL is possible, and not expected",
    "orders.at: NULL is refused, and expected",
    "orders.sent_at: the column does not exist",
    "orders.anything: the column does not exist",
    "orders: the index orders_note_idx is not valid: what made it failed, or is still at it",
    "(warning) orders: the index orders_sent_idx does not exist",
    "(warning) billing.Bills: the table does not exist",
  ]);
  assert.deepEqual(mends(problems), [
    'CREATE EXTENSION "pgcrypto"',
    'CREATE EXTENSION "hstore"',
    `ALTER TYPE "order_status" ADD VALUE 'it''s sent'`,
    `CREATE TYPE "billing"."Kind" AS ENUM ('a', 'b')`,
    'ALTER TABLE "orders" ALTER COLUMN "id" TYPE integer USING "id"::integer',
    'ALTER TABLE "orders" ALTER COLUMN "note" TYPE varchar USING "note"::varchar',
    'ALTER TABLE "orders" ALTER COLUMN "note" SET NOT NULL',
    'ALTER TABLE "orders" ALTER COLUMN "at" DROP NOT NULL',
    'ALTER TABLE "orders" ADD COLUMN "sent_at" timestamptz NOT NULL',
    'ALTER TABLE "orders" ADD COLUMN "anything" …',
    'REINDEX INDEX CONCURRENTLY "orders_note_idx"',
    'CREATE INDEX CONCURRENTLY "orders_sent_idx" ON "orders" (…)',
    'CREATE TABLE "billing"."Bills" ("id" bigint NOT NULL, "note" text)',
  ]);
  assert.throws(() => assertSchema(problems), { code: "SCHEMA_INVALID", exitCode: 80 });
});

test("each mend that is whole mends", async () => {
  await using asking = await openWith(server, SHOP);
  const { session } = asking;
  await session.run("insert into orders (note) values ('7'), ('7')");
  await session.run("create unique index concurrently orders_note_idx on orders (note)").catch(() => {});
  await session.run("update orders set note = id");
  await assertMends(asking, {
    extensions: ["pg_trgm"],
    enums: { order_status: ["it's sent"], "billing.Kind": ["a", "b"] },
    tables: {
      orders: {
        columns: {
          id: "integer",
          note: { type: "serial", nullable: false },
          at: { type: "timestamptz", nullable: true },
          price: "numeric(12,2)",
          'we"ird sent': { type: "varchar(10)[]" },
        },
        indexes: ["orders_note_idx"],
      },
      "billing.Bills": {
        columns: { id: { type: "bigint", nullable: false }, kind: 'billing."Kind"', no: "bigserial" },
      },
      "billing.bills": { columns: { kind: "text" } },
    },
  });
});

test("a table that the search path hides is another one", async () => {
  await using asking = await openWith(server, "create schema other; create table other.orders (id int)");
  assert.deepEqual(tell(await asking.check({ tables: { orders: {} } })), [
    "orders: the table does not exist",
  ]);
  await asking.session.run("set search_path to other");
  assert.deepEqual(tell(await asking.check({ tables: { orders: { columns: { id: "int" } } } })), []);
});

test("a check that hangs ends with the signal's reason, or after five seconds, and the session lives on", async () => {
  await using asking = await openWith(server, SHOP);
  await using other = await ask(asking.url);
  await other.session.run("begin; lock table pg_catalog.pg_class in access exclusive mode");
  const stop = new AbortController();
  const stopped = asking.check(EXPECTED, stop.signal);
  setTimeout(() => stop.abort(new Error("SIGTERM")), 50);
  await assert.rejects(stopped, { message: "SIGTERM" });
  await assert.rejects(asking.check(EXPECTED), { code: "DATABASE_UNREACHABLE" });
  await other.session.run("rollback");
  assert.deepEqual(tell(await asking.check(EXPECTED)), []);
  await assert.rejects(asking.check(EXPECTED, AbortSignal.abort(new Error("too late"))), {
    message: "too late",
  });
});

test("a connection that breaks meanwhile is told as that, and not as a schema that is wrong", async () => {
  await using asking = await openWith(server, SHOP);
  await using other = await ask(asking.url);
  const [{ pid } = {}] = await asking.session.query("select pg_backend_pid() as pid");
  await other.session.run("begin; lock table pg_catalog.pg_class in access exclusive mode");
  const checked = assert.rejects(asking.check(EXPECTED), { code: "DATABASE_UNREACHABLE" });
  await other.session.query("select pg_terminate_backend($1)", [pid]);
  await checked;
  await other.session.run("rollback");
});
