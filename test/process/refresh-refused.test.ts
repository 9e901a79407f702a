/** A refresh that is refused: the right status, nothing changed, nothing leaked, no connection left over. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startFakeAws } from "../fakes/aws.ts";
import { type PostgresServer, query, startPostgres } from "../servers/postgres.ts";
import { type BundleOptions, guest, startBundle } from "./bundle.ts";
import { openShop, pooled, refresh, SETTINGS, type Shop, seen } from "./pooled.ts";

let server: PostgresServer;
before(async () => {
  server = await startPostgres();
});
after(() => server?.close());

describe("what is refused changes nothing, says why by name, and leaves no connection behind:", () => {
  const wrong: [string, (shop: Shop) => Promise<Record<string, string>>, number, string, RegExp][] = [
    [
      "a wrong password",
      async (shop) => ({ db_url: (await shop.user("b")).replace("canary", "wrong-canary") }),
      424,
      "CREDENTIALS_REFUSED",
      /pg.*28P01/,
    ],
    [
      "a database that is not there",
      async () => ({ db_url: "postgres://u:canary-pw@127.0.0.1:9/shop" }),
      424,
      "CREDENTIALS_REFUSED",
      /pg.*ECONNREFUSED/,
    ],
    [
      "an invalid new setting, and another one that is missing",
      async () => ({ level: "canary", token: "" }),
      422,
      "SETTINGS_INVALID",
      /LEVEL.*must be one of info, debug, broken.*TOKEN.*empty/,
    ],
  ];
  for (const [what, change, status, code, why] of wrong) {
    test(what, async () => {
      const shop = await openShop(server);
      await using bundle = startBundle(pooled(await shop.user("a")));
      await seen(bundle, "/user");
      bundle.put({ level: "debug", ...(await change(shop)) });
      const answer = await refresh(bundle);
      assert.deepEqual([answer.status, answer.body.error.code], [status, code]);
      assert.doesNotMatch(answer.body.error.message, /start again/);
      assert.match(
        answer.body.error.problems
          .map((it: { subject: string; message: string }) => `${it.subject} ${it.message}`)
          .join("; "),
        why,
      );
      assert.match(await seen(bundle, "/user"), /_a$/);
      assert.equal(await seen(bundle, "/level"), "info");
      assert.deepEqual(await shop.connected(), ["a"]);
      assert.ok(!bundle.stdout.includes("told of"));
      assert.ok(!bundle.stderr.includes("canary"));
      const { refresh: last } = JSON.parse((await bundle.admin("/secrets/status")).text);
      assert.deepEqual([last.last.done, last.last.code], [false, code]);
    });
  }

  test("a user that a GRANT forgot, where the config says what the app expects", async () => {
    const shop = await openShop(server);
    const config = { database: { url: "DATABASE_URL", expect: "./schema.json" } };
    const files = { "schema.json": JSON.stringify({ tables: { orders: { privileges: ["select"] } } }) };
    await using bundle = startBundle(pooled(await shop.user("a"), { config, files }));
    await seen(bundle, "/user");
    const url = await shop.user("b");
    await query(shop.url, `revoke select on orders from ${new URL(url).username}`);
    bundle.put({ db_url: url });
    const { status, body } = await refresh(bundle);
    assert.equal(status, 424);
    assert.match(body.error.problems[0].message, /grant select on/i);
    assert.match(await seen(bundle, "/user"), /_a$/);
    assert.deepEqual(await shop.connected(), ["a"]);
  });
});

test("however many are refused, the value in use is still kept out of the output", async () => {
  const app = `import { createServer } from "node:http";
    export const start = (settings) => {
      const server = createServer((_, response) => response.end(\`"\${console.log("prints", settings.TOKEN)}"\`));
      return server.listen(0, () => console.log("listening on " + server.address().port));
    };`;
  await using bundle = startBundle({
    config: { app: "./app.mjs", settings: { LEVEL: SETTINGS.LEVEL, TOKEN: SETTINGS.TOKEN } },
    files: { "app.mjs": app },
    secrets: { level: "info", token: "t0ken-in-use" },
  });
  await bundle.event("boot.completed");
  for (let count = 1; count <= 9; count++) {
    bundle.put({ level: "wrong", token: `t0ken-refused-${count}` });
    assert.equal((await refresh(bundle)).status, 422);
  }
  await seen(bundle, "/");
  await bundle.output(/prints \[TOKEN\]/);
});

describe("a manager", () => {
  const options = (aws: Awaited<ReturnType<typeof startFakeAws>>): BundleOptions => ({
    env: { ...aws.env, ENVIRONMENT: "aws" },
    config: {
      app: guest("pooled.mjs"),
      settings: { DATABASE_URL: "db/url", LEVEL: { from: "app/level", secret: false } },
      secrets: { aws: { provider: "aws-secrets-manager" } },
      refreshTimeout: "2s",
    },
  });
  const secrets = { db: JSON.stringify({ url: "postgres://u:p@127.0.0.1:9/x" }), app: '{"level":"info"}' };

  for (const fault of ["error", "hang", "garbage"] as const) {
    test(`that fails (${fault}) is 502 within refreshTimeout`, async () => {
      await using aws = await startFakeAws({ secrets });
      await using bundle = startBundle(options(aws));
      await bundle.port();
      aws.fail(fault, { times: 1000 });
      const { status, body } = await refresh(bundle);
      assert.equal(status, 502);
      assert.match(body.error.code, /^MANAGER_/);
      // A refresh has a deadline of its own, and the container goes on.
      assert.doesNotMatch(body.error.message, /bootTimeout|start again/);
      assert.equal(await seen(bundle, "/level"), "info");
    });
  }

  test("that is slow: a second refresh is 409, and a SIGTERM ends both the first one and the process", async () => {
    await using aws = await startFakeAws({ secrets });
    await using bundle = startBundle(options(aws));
    await bundle.port();
    aws.fail("hang", { times: 1000 });
    const first = refresh(bundle);
    await bundle.event("refresh.started");
    const second = await refresh(bundle);
    assert.deepEqual([second.status, second.body.error.code], [409, "REFRESH_RUNNING"]);
    bundle.kill("SIGTERM");
    const { status, body } = await first;
    assert.deepEqual([status, body.error.code], [409, "NOT_READY"]);
    assert.equal((await bundle.exit).code, 0);
  });
});

test("during the boot and while leaving it is 409", async () => {
  const shop = await openShop(server);
  const files = {
    "warm.mjs": "export const warm = () => new Promise((resolve) => setTimeout(resolve, 1500));",
  };
  const config = { warm: "./warm.mjs", drainDelay: "1500ms" };
  await using bundle = startBundle(pooled(await shop.user("a"), { files, config }));
  await bundle.event("secret.fetched");
  bundle.kill("SIGHUP"); // too early as well, and no reason to die
  while (!bundle.socket()) await delay(10);
  assert.equal((await refresh(bundle)).body.error.code, "NOT_READY");
  await bundle.port();
  await bundle.event("boot.completed");
  bundle.kill("SIGTERM");
  await bundle.event("shutdown.started");
  assert.equal((await refresh(bundle)).body.error.code, "NOT_READY");
  assert.equal((await bundle.exit).code, 0);
});
