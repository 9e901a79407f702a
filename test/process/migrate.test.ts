/** Real processes of the bundle, on a real PostgreSQL: many at once, killed, stopped, asked. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type PostgresServer, query, startPostgres } from "../servers/postgres.ts";
import { type BundleOptions, runBundle, startBundle } from "./bundle.ts";

let server: PostgresServer;
before(async () => {
  server = await startPostgres();
});
after(() => server?.close());

const APP = `export const start = (settings) => console.log("started");`;

/** A config with one database and these migrations; the password is what nothing may show. */
function options(
  url: string,
  migrations: Readonly<Record<string, string>>,
  more: object = {},
): BundleOptions {
  const files = Object.fromEntries(
    Object.entries(migrations).map(([name, text]) => [`migrations/${name}`, text]),
  );
  return {
    config: {
      app: "./app.mjs",
      settings: { DATABASE_URL: { from: "database/url", type: "url" } },
      database: { url: "DATABASE_URL", migrations: "./migrations", ...more },
    },
    secrets: { "database/url": url },
    files: { "app.mjs": APP, ...files },
  };
}

/** Until a migration is in the middle of `pg_sleep`. */
async function untilAsleep(url: string): Promise<void> {
  const asleep =
    "select 1 from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";
  const deadline = performance.now() + 20_000;
  while ((await query(url, asleep)).length === 0) {
    assert.ok(performance.now() < deadline, "no migration sleeps");
    await delay(20);
  }
}

/** Each file leaves a line, so that applied twice would show. */
const numbered = (count: number, sleep: number) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, index) => [
      `${index + 1}_step.sql`,
      `${index === 0 ? "create table steps (step int);" : ""} insert into steps values (${index + 1}); select pg_sleep(${sleep});`,
    ]),
  );

const steps = async (url: string) =>
  (await query(url, "select step from steps order by step")).map(({ step }) => step);

for (const kind of ["plain files", "a CREATE INDEX CONCURRENTLY among them"] as const) {
  test(`twenty containers boot at once on an empty database (${kind}): one migrates, all start`, async () => {
    const url = await server.createDatabase();
    const index = "-- migrate:no-transaction\ncreate index concurrently steps_step on steps (step);";
    const migrations = { ...numbered(3, 0.1), ...(kind === "plain files" ? {} : { "9_index.sql": index }) };
    const exits = await Promise.all(Array.from({ length: 20 }, () => runBundle(options(url, migrations))));
    for (const { code, stdout, stderr } of exits) assert.deepEqual([code, stdout], [0, "started\n"], stderr);
    const applied = exits.map(
      ({ events }) => events.filter(({ event }) => event === "migration.applied").length,
    );
    assert.deepEqual(applied.sort().reverse().slice(0, 2), [Object.keys(migrations).length, 0]);
    assert.deepEqual(await steps(url), [1, 2, 3]);
  });
}

test("killed again and again at random points, it goes on where it was, and never applies twice", async () => {
  const kills = Number(process.env.KILLS ?? 15);
  const url = await server.createDatabase();
  const count = kills * 4;
  const random = seeded(42);
  const migrations = numbered(count, 0.02);
  for (let killed = 0; killed < kills; killed++) {
    await using bundle = startBundle({ ...options(url, migrations), args: ["migrate"] });
    await Promise.race([bundle.event("migration.applied").catch(() => {}), bundle.exit]);
    await delay(random() * 80);
    bundle.kill("SIGKILL");
    const { code, stderr } = await bundle.exit;
    assert.ok(code === null || code === 0, stderr);
  }
  const last = await runBundle({ ...options(url, migrations), args: ["migrate"] });
  assert.equal(last.code, 0, last.stderr);
  assert.deepEqual(
    await steps(url),
    Array.from({ length: count }, (_, index) => index + 1),
  );
});

test("killed in a file without a transaction, the next boot says what to do, and does what it is told", async () => {
  const url = await server.createDatabase();
  const slow = "-- migrate:no-transaction\nselect pg_sleep(2);";
  const migrations = {
    ...numbered(1, 0),
    "2_slow.sql": slow,
    ...{ "3_after.sql": "insert into steps values (3);" },
  };
  await using bundle = startBundle({ ...options(url, migrations), args: ["migrate"] });
  await untilAsleep(url);
  bundle.kill("SIGKILL");
  await bundle.exit;
  const refused = await runBundle({ ...options(url, migrations), args: ["migrate"] });
  assert.equal(refused.code, 79, refused.stderr);
  const told = /delete from sallyport_migrations where id = '2_slow\.sql';/.exec(refused.stderr)?.[0];
  assert.ok(told, refused.stderr);
  await query(url, told);
  assert.equal((await runBundle({ ...options(url, migrations), args: ["migrate"] })).code, 0);
  assert.deepEqual(await steps(url), [1, 3]);
});

describe("a migration that takes long", () => {
  const slow = { "1_half.sql": "create table half (id int); select pg_sleep(30);" };

  test("is live and not ready, tells how far it is, and a stop rolls it back and exits 143", async () => {
    const url = await server.createDatabase();
    // Longer than bootTimeout, which does not count here.
    const { config, ...rest } = options(url, slow);
    await using bundle = startBundle({ ...rest, config: { ...(config as object), bootTimeout: "700ms" } });
    await untilAsleep(url);
    await delay(1_000);
    assert.equal(await probe(bundle.directory, "--live"), 0);
    assert.equal(await probe(bundle.directory), 1);
    assert.equal(JSON.parse((await bundle.admin("/health?live")).text).progress, "1_half.sql");
    bundle.kill("SIGTERM");
    const { code, stderr } = await bundle.exit;
    assert.equal(code, 143, stderr);
    assert.deepEqual(await query(url, "select to_regclass('half') as half"), [{ half: null }]);
    assert.equal(bundle.socket(), undefined);
  });

  test("has a deadline of its own: exit 79", async () => {
    const url = await server.createDatabase();
    const exit = await runBundle(options(url, slow, { migrate: { timeout: "500ms" } }));
    assert.equal(exit.code, 79, exit.stderr);
    assert.match(exit.stderr, /MIGRATION_FAILED/);
  });

  test("makes others wait until lockTimeout: exit 75", async () => {
    const url = await server.createDatabase();
    await using first = startBundle(options(url, slow));
    await untilAsleep(url);
    const exit = await runBundle(options(url, slow, { migrate: { lockTimeout: "300ms" } }));
    assert.equal(exit.code, 75, exit.stderr);
    assert.match(exit.stderr, /another process migrates: sallyport, pid/);
    first.kill("SIGTERM");
    await first.exit;
  });
});

describe("commands", () => {
  test("migrate applies and exits 0, without starting the app", async () => {
    const url = await server.createDatabase();
    const exit = await runBundle({ ...options(url, numbered(2, 0)), args: ["migrate"] });
    assert.deepEqual([exit.code, exit.stdout], [0, ""]);
    assert.deepEqual(await steps(url), [1, 2]);
  });

  test("check prints the plan and changes nothing", async () => {
    const url = await server.createDatabase();
    const exit = await runBundle({ ...options(url, numbered(2, 0)), args: ["check"] });
    assert.equal(exit.code, 0, exit.stderr);
    assert.deepEqual(
      exit.events.filter(({ event }) => event === "migration.pending").map(({ id }) => id),
      ["1_step.sql", "2_step.sql"],
    );
    assert.deepEqual(
      await query(url, "select to_regclass('steps') as steps, to_regclass('sallyport_migrations') as books"),
      [{ steps: null, books: null }],
    );
  });
});

test("no password is printed, whatever fails", async () => {
  const url = (await server.createDatabase()).replace("superuser", "canary-password-1");
  const cases: [string, object, number][] = [
    [url.replace("postgres:canary", "nobody:canary"), {}, 77],
    [url.replace(/:\d+\//, ":1/"), { bootTimeout: "500ms" }, 69],
  ];
  for (const [wrong, more, expected] of cases) {
    const { config, ...rest } = options(wrong, numbered(1, 0));
    await using bundle = startBundle({ ...rest, config: { ...(config as object), ...more } });
    await bundle.event("run.failed");
    bundle.kill("SIGTERM");
    const exit = await bundle.exit;
    assert.equal(exit.code, expected, exit.stderr);
    assert.ok(!(exit.stdout + exit.stderr).includes("canary"), exit.stderr);
  }
});

const ENTRYPOINT = fileURLToPath(new URL("../../dist/entrypoint.mjs", import.meta.url));

function probe(cwd: string, ...flags: string[]): Promise<number> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [ENTRYPOINT, "healthcheck", ...flags], { cwd }, () =>
      resolve(child.exitCode ?? -1),
    );
  });
}

/** mulberry32: the same points in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296;
  };
}
