/** What is true of `knex` alone. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import createKnex from "knex";
import { assertOnly, eventually, keepBusy, openHouse } from "./rotate.ts";
import { startPostgres } from "./subjects.ts";

let stage: Awaited<ReturnType<typeof startPostgres>>;
before(async () => {
  stage = await startPostgres();
});
after(() => stage?.[Symbol.asyncDispose]());

const definition = {
  uses: ["URL"],
  create: (settings: { readonly URL?: unknown }) =>
    createKnex({ client: "pg", connection: String(settings.URL), pool: { min: 0, max: 2 } }),
};

test("a query that was built before the swap, and is run long after it, runs on the pool of the day", async () => {
  await using house = openHouse(stage.url("app_a"));
  const knex = house.pools.add(definition);
  const builders = Array.from({ length: 3 }, () =>
    knex("entries").select(knex.raw("session_user as name")).count(),
  );
  const run = async () => (await builders.pop()?.groupByRaw("1"))?.[0]?.name ?? "nobody";
  await knex("entries").insert({ author: "app_a" });
  assert.equal(await run(), "app_a");
  for (const user of ["app_b", "app_a", "app_b"] as const) {
    await house.rotate(stage.url(user));
    await eventually(() => house.pools.draining().length === 0, "the old one is closed");
  }
  assert.deepEqual([await run(), await run()], ["app_b", "app_b"]);
  await assertOnly(stage, ["app_b"]);
});

test("queries that are built now and run a moment later are never dropped", async () => {
  await using house = openHouse(stage.url("app_a"));
  const knex = house.pools.add(definition);
  const load = keepBusy(4, async () => {
    const query = knex.select(knex.raw("session_user as name"));
    await new Promise((resolve) => setTimeout(resolve, 3));
    await query;
  });
  for (let round = 0; round < 20; round++) {
    await house.rotate(stage.url(round % 2 ? "app_a" : "app_b"));
    await eventually(() => house.pools.draining().length === 0, "the old one is closed");
  }
  assert.ok((await load.stop()) > 0);
});
