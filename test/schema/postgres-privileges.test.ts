import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Expectations } from "../../entrypoint/schema/schema.ts";
import { type PostgresServer, startPostgres } from "../servers/postgres.ts";
import { assertMends, mends, tell } from "./ask.ts";
import { EXPECTED, openAsStranger, openWith, SHOP } from "./shop.ts";

let server: PostgresServer;
before(async () => {
  server = await startPostgres();
});
after(() => server.close());

test("a login without privileges is told each one and what grants it, though it may read no row", async () => {
  await using owner = await openWith(server, SHOP);
  await using stranger = await openAsStranger(owner.url);
  const expected: Expectations = {
    tables: {
      ...EXPECTED.tables,
      orders: {
        ...EXPECTED.tables?.orders,
        privileges: ["select", { name: "delete", severity: "warn" }],
      },
      "billing.missing": { columns: { id: "int" }, severity: "warn" },
    },
  };
  const problems = await stranger.check(expected);
  assert.deepEqual(tell(problems), [
    `billing: ${stranger.user} may not use the schema`,
    `orders: ${stranger.user} may not select`,
    `(warning) orders: ${stranger.user} may not delete`,
    "(warning) billing.missing: the table does not exist",
  ]);
  assert.deepEqual(mends(problems).slice(0, 3), [
    `GRANT USAGE ON SCHEMA "billing" TO ${stranger.user}`,
    `GRANT SELECT ON "orders" TO ${stranger.user}`,
    `GRANT DELETE ON "orders" TO ${stranger.user}`,
  ]);
  await assertMends(stranger, expected, owner.session);
});

test("a schema that may not be used is told as such, not as tables that are missing", async () => {
  await using owner = await openWith(server, `${SHOP} revoke usage on schema public from public`);
  await using stranger = await openAsStranger(owner.url);
  const expected: Expectations = { tables: { orders: { columns: { id: "bigint" } } } };
  assert.deepEqual(tell(await stranger.check(expected)), [`public: ${stranger.user} may not use the schema`]);
  await assertMends(stranger, expected, owner.session);
});

test("privileges that come by a role count", async () => {
  await using owner = await openWith(server, SHOP);
  await using stranger = await openAsStranger(owner.url);
  const role = `readers_${process.pid}`;
  await owner.session.run(
    `create role ${role}; grant select on orders to ${role}; grant ${role} to ${stranger.user}`,
  );
  assert.deepEqual(tell(await stranger.check({ tables: { orders: { privileges: ["select"] } } })), []);
  await owner.session.run(`drop owned by ${role}; drop role ${role}`);
});
