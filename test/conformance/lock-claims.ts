/** What every lock of migrations must do. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { inspect } from "node:util";
import type { HeldLock, Holder } from "../../entrypoint/migrate/migration.ts";
import { count, folder, openUrl, run, WAIT_MS } from "../migrate/run.ts";
import type { Place, RemotePlace, Subject, WithBooks } from "./stores.ts";

export function lockClaims(subject: Subject, create: () => Promise<Place>, withBooks: WithBooks): void {
  test(
    "of two who want the lock one gets it, and the other is told who has it",
    withBooks(async ({ lock }, _, more) => {
      const other = (await more()).lock;
      const got = await Promise.all([lock.tryAcquire(), other.tryAcquire()]);
      const losers = got.filter((it) => "holder" in it);
      assert.equal(losers.length, 1);
      assert.match(losers[0]?.holder ?? "", subject.holder);
      const winner = got.find((it) => "lost" in it) as HeldLock;
      assert.equal(winner.lost.aborted, false);
      await winner.release();
    }),
  );

  test(
    "a released lock can be taken by another, and by the same again",
    withBooks(async ({ lock }, _, more) => {
      const other = (await more()).lock;
      for (const [mine, theirs] of [
        [lock, other],
        [other, lock],
        [lock, other],
      ] as const) {
        const got = held(await mine.tryAcquire());
        assert.ok("holder" in (await theirs.tryAcquire()));
        await got.release();
      }
    }),
  );

  test(
    "a lock is free when its holder's connection is closed",
    withBooks(async (books, _, more) => {
      const other = (await more()).lock;
      held(await books.lock.tryAcquire());
      assert.ok("holder" in (await other.tryAcquire()));
      await books.close();
      await held(await eventually(other.tryAcquire)).release();
    }),
  );

  test("the locks of two databases have nothing to do with one another", async () => {
    const books = [await (await create()).open(), await (await create()).open()];
    for (const { lock } of books) held(await lock.tryAcquire());
    for (const { close } of books) await close();
  });

  test(
    "of five that start at once on an empty database one applies everything, and nobody fails",
    withBooks(async (books, _, more) => {
      const files = folder({
        "001_orders.sql": "create table orders (id int)",
        "002_fill.sql": "insert into orders values (1)",
        "003_fill.sql": "insert into orders values (2);\ninsert into orders values (3)",
        "R__fill.sql": "insert into orders values (4)",
      });
      const all = [books, ...(await Promise.all(Array.from({ length: 4 }, more)))];
      const applied = await Promise.all(all.map((it) => run(it, files)));
      const counts = applied.map(({ length }) => length).sort();
      assert.deepEqual(counts, [0, 0, 0, 0, 4]);
      assert.equal(await count(books, "orders"), 4);
    }),
  );
}

/** What only a server can do to us. */
export function serverClaims(create: () => Promise<RemotePlace>): void {
  test("a lock whose connection the server ends is lost, says so, and is free", async () => {
    const place = await create();
    const [mine, theirs] = [await place.open(), await place.open()];
    const { lost } = held(await mine.lock.tryAcquire());
    const told = once(lost, "abort");
    await place.sever();
    await told;
    const fresh = await place.open();
    await held(await eventually(fresh.lock.tryAcquire)).release();
    for (const { close } of [mine, theirs, fresh]) await close();
  });

  test("no message holds the password", async () => {
    const { url } = await create();
    const canary = "canary-of-a-password";
    const wrong = (change: object) => Object.assign(new URL(url), { password: canary, ...change }).href;
    for (const [bad, code] of [
      [wrong({}), "DATABASE_REFUSED"],
      [wrong({ username: "nobody" }), "DATABASE_REFUSED"],
      [wrong({ protocol: "gopher:" }), "DATABASE_INVALID"],
    ] as const) {
      const error = await openUrl(bad).then(
        () => assert.fail("it let us in"),
        (it) => it,
      );
      assert.equal(error.code, code, inspect(error));
      assert.doesNotMatch(inspect(error, { depth: 9, showHidden: true }), new RegExp(canary));
    }
  });
}

function held(got: HeldLock | Holder): HeldLock {
  assert.ok("lost" in got, inspect(got));
  return got;
}

/** A server may take a moment to see that a connection has ended. */
async function eventually(attempt: () => Promise<HeldLock | Holder>): Promise<HeldLock | Holder> {
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    const got = await attempt();
    if ("lost" in got || performance.now() > deadline) return got;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
