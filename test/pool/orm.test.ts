/** Libraries that take a pool, and are given the handle: what they look at in it, and what they do with it under rotation. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { PrismaPg } from "@prisma/adapter-pg";
import { sql as drizzleSql } from "drizzle-orm";
import { drizzle as drizzleMysql } from "drizzle-orm/mysql2";
import { drizzle as drizzlePg } from "drizzle-orm/node-postgres";
import createKnex from "knex";
import { Kysely, MysqlDialect, PostgresDialect, sql } from "kysely";
import { assertOnly, define, eventually, keepBusy, openHouse, PATIENCE_MS } from "./rotate.ts";
import { MAX, type Stage, SUBJECTS, type Subject } from "./subjects.ts";

/** What a library does with the handle: both resolve to the users who did it. */
interface Library {
  ask(): Promise<string>;
  transact(between: () => Promise<unknown>): Promise<string[]>;
  close(): Promise<unknown>;
}

interface Case {
  readonly name: string;
  /** Whose pool it takes. */
  readonly on: string;
  // biome-ignore lint/suspicious/noExplicitAny: each takes the pool of its driver
  open(handle: any): Library | Promise<Library>;
}

const WHO_PG = "session_user";
const WHO_MYSQL = "substring_index(current_user(), '@', 1)";

const CASES: readonly Case[] = [
  {
    name: "drizzle on pg",
    on: "pg",
    open(pool) {
      const db = drizzlePg(pool);
      const who = drizzleSql.raw(`select ${WHO_PG} as name`);
      const one = (result: { rows: Record<string, unknown>[] }) => String(result.rows[0]?.name);
      return {
        ask: async () => one(await db.execute(who)),
        transact: (between) =>
          db.transaction(async (transaction) => {
            const first = one(await transaction.execute(who));
            await between();
            return [first, one(await transaction.execute(who))];
          }),
        close: async () => {},
      };
    },
  },
  ...["mysql2", "mysql2/promise"].map(
    (on): Case => ({
      name: `drizzle on ${on}`,
      on,
      open(pool) {
        const db = drizzleMysql(pool);
        const who = drizzleSql.raw(`select ${WHO_MYSQL} as name`);
        const one = (result: unknown) => (result as { name: string }[][])[0]?.[0]?.name ?? "";
        return {
          ask: async () => one(await db.execute(who)),
          transact: (between) =>
            db.transaction(async (transaction) => {
              const first = one(await transaction.execute(who));
              await between();
              return [first, one(await transaction.execute(who))];
            }),
          close: async () => {},
        };
      },
    }),
  ),
  ...[
    { on: "pg", Dialect: PostgresDialect, who: WHO_PG },
    { on: "mysql2", Dialect: MysqlDialect, who: WHO_MYSQL },
  ].map(
    ({ on, Dialect, who }): Case => ({
      name: `kysely on ${on}`,
      on,
      open(pool) {
        const db = new Kysely<unknown>({ dialect: new Dialect({ pool }) });
        const query = sql<{ name: string }>`select ${sql.raw(who)} as name`;
        const ask = async (executor: Kysely<unknown>) => (await query.execute(executor)).rows[0]?.name ?? "";
        return {
          ask: () => ask(db),
          transact: (between) =>
            db.transaction().execute(async (transaction) => {
              const first = await ask(transaction);
              await between();
              return [first, await ask(transaction)];
            }),
          close: () => db.destroy(),
        };
      },
    }),
  ),
  {
    name: "prisma's adapter on pg",
    on: "pg",
    async open(pool) {
      const adapter = await new PrismaPg(pool, { disposeExternalPool: false }).connect();
      const query = { sql: `select ${WHO_PG}::text as name`, args: [], argTypes: [] };
      const ask = async (queryable: Pick<typeof adapter, "queryRaw">) =>
        String((await queryable.queryRaw(query)).rows[0]?.[0]);
      const end = (name: string) => ({ sql: name, args: [], argTypes: [] });
      return {
        ask: () => ask(adapter),
        async transact(between) {
          const transaction = await adapter.startTransaction();
          const first = await ask(transaction);
          await between();
          const second = await ask(transaction);
          await transaction.executeRaw(end("commit"));
          await transaction.commit();
          return [first, second];
        },
        close: () => adapter.dispose(),
      };
    },
  },
  ...[
    { on: "pg", client: "pg", who: WHO_PG },
    { on: "mysql2", client: "mysql2", who: WHO_MYSQL },
    { on: "mysql2/promise", client: "mysql2", who: WHO_MYSQL },
  ].map(
    ({ on, client, who }): Case => ({
      name: `knex with the pool of ${on}`,
      on,
      open(connectionPool) {
        // Its types do not know the option yet.
        const knex = createKnex({ client, connectionPool } as never);
        // biome-ignore lint/suspicious/noExplicitAny: it is the driver's own
        const one = (result: any) => String((result.rows ?? result[0])[0].name);
        const ask = async (builder: Pick<typeof knex, "raw">) =>
          one(await builder.raw(`select ${who} as name`));
        return {
          ask: () => ask(knex),
          transact: (between) =>
            knex.transaction(async (transaction) => {
              const first = await ask(transaction);
              await between();
              return [first, await ask(transaction)];
            }),
          close: () => knex.destroy(),
        };
      },
    }),
  ),
];

for (const on of new Set(CASES.map((it) => it.on))) {
  const subject = SUBJECTS.find(({ name }) => name === on) as Subject;
  describe(on, { skip: subject.skip }, () => {
    let stage: Stage;
    before(async () => {
      stage = await subject.start();
    });
    after(() => stage?.[Symbol.asyncDispose]());
    for (const it of CASES.filter((each) => each.on === on)) claims(it, subject, () => stage);
  });
}

function claims({ name, open }: Case, subject: Subject, stageOf: () => Stage): void {
  test(`${name}: twenty rotations under load`, async () => {
    const stage = stageOf();
    await using house = openHouse(stage.url("app_a"));
    const { pools, rotate } = house;
    const library = await open(pools.add(define(subject)));
    const queries = keepBusy(2 * MAX, () => library.ask());
    const transactions = keepBusy(2, async () => {
      const [before, after] = await library.transact(() => delay(5));
      assert.equal(after, before);
    });
    for (let round = 0; round < 20; round++) {
      await rotate(stage.url(round % 2 ? "app_a" : "app_b"));
      await eventually(() => pools.draining().length === 0, "the old pool is closed");
    }
    assert.ok((await queries.stop()) > 0 && (await transactions.stop()) > 0);
    await assertOnly(stage, ["app_a"]);
    assert.equal(await library.ask(), "app_a");
    await library.close();
    await pools.close(AbortSignal.timeout(PATIENCE_MS));
    await assertOnly(stage, []);
  });

  test(`${name}: a transaction ends where it began, and the next one is on the new pool`, async () => {
    const stage = stageOf();
    await using house = openHouse(stage.url("app_a"));
    const library = await open(house.pools.add(define(subject)));
    const users = await library.transact(() => house.rotate(stage.url("app_b")));
    assert.deepEqual(users, ["app_a", "app_a"]);
    assert.deepEqual(await library.transact(async () => {}), ["app_b", "app_b"]);
    await assertOnly(stage, ["app_b"]);
    await library.close();
  });
}
