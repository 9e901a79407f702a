/** The guard and harden on the real bundle. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { startFakeInfisical } from "../fakes/infisical.ts";
import { NODES } from "./bundle.ts";
import { assertRefused, CANARY, runBundle, startBundle } from "./refusal.ts";

const settings = { KEY: "app/key" };
const secrets = { "app/key": CANARY };

describe("the guard", () => {
  test("refuses a value in the environment, in the command line, and an open inspector, all at once", async () => {
    const exit = await runBundle({
      config: { app: "./app.mjs", settings },
      secrets,
      env: { LEGACY_KEY: CANARY, API_TOKEN: "looks-like-one" },
      nodeOptions: ["--inspect=127.0.0.1:0"],
      args: ["run", "./app.mjs", CANARY],
    });
    const told = { ...exit, stderr: exit.stderr.replace(/^Debugger .*\n|^For help.*\n/gm, "") };
    assertRefused(told, 81, "GUARD_REFUSED", /3 things expose secrets/);
    const subjects = (event: string) =>
      exit.events.filter((it) => it.event === event).map(({ subject }) => subject);
    assert.deepEqual(subjects("problem.found"), ["LEGACY_KEY", "--inspect", "command line"]);
    assert.ok(subjects("exposure.found").includes("API_TOKEN"));
  });

  test("is asked by check and by migrate, too", async () => {
    const env = { LEGACY_KEY: CANARY };
    const database = { url: "URL", migrations: "./migrations" };
    const config = { app: "./app.mjs", settings: { ...settings, URL: "db/url" }, database };
    const files = { "migrations/1.sql": "select 1" };
    const all = { ...secrets, "db/url": "sqlite:./data.db" };
    for (const args of [["check"], ["migrate"]]) {
      const exit = await runBundle({ config, secrets: all, env, files, args });
      assertRefused(exit, 81, "GUARD_REFUSED", /one thing exposes secrets/);
    }
  });

  test("does as the config says", async () => {
    for (const guard of ["warn", "off", { allow: ["LEGACY_KEY"] }]) {
      const config = { app: "./app.mjs", settings, guard };
      await using bundle = startBundle({ config, secrets, env: { LEGACY_KEY: CANARY } });
      await bundle.event("boot.completed");
      const told = bundle.events.some(({ subject }) => subject === "LEGACY_KEY");
      assert.equal(told, guard === "warn");
    }
  });

  for (const { version, path: node } of NODES) {
    test(`keeps the inspector closed when SIGUSR1 comes (Node ${version})`, async () => {
      await using bundle = startBundle({ config: { app: "./app.mjs" }, node });
      await bundle.event("boot.completed");
      bundle.kill("SIGUSR1");
      await bundle.event("inspector.kept_closed");
      bundle.kill("SIGTERM");
      const { code, stderr } = await bundle.exit;
      assert.equal(code, 0);
      assert.doesNotMatch(stderr, /Debugger listening/);
    });
  }
});

describe("harden", () => {
  const config = {
    app: "./app.mjs",
    harden: true,
    secrets: { test: { provider: "infisical", environment: "prod" } },
    settings: { KEY: "key" },
  };
  const APP = `import { createServer } from "node:http";
    export const start = () => {
      console.log(JSON.stringify({ pid: process.pid, options: process.execArgv, argv: process.argv.slice(2) }));
      return createServer().listen(0);
    };`;

  for (const { version, path: node } of NODES) {
    test(`starts once more in place, with nothing of the login in the environment (Node ${version})`, async () => {
      await using fake = await startFakeInfisical({ folders: { "/": { key: CANARY } } });
      await using bundle = startBundle({
        config,
        env: fake.bootstrap,
        node,
        nodeOptions: ["--no-deprecation"],
        args: ["run", "./app.mjs", "--flag"],
        files: { "app.mjs": APP },
      });
      await bundle.event("boot.completed");
      const environ = readFileSync(`/proc/${bundle.pid}/environ`, "utf8");
      assert.match(environ, /ENVIRONMENT=test/);
      for (const [name, value] of Object.entries(fake.bootstrap)) {
        assert.ok(!environ.includes(name) && !environ.includes(value), name);
      }
      assert.ok(!readFileSync(`/proc/${bundle.pid}/cmdline`, "utf8").includes("cs-"));
      const said = JSON.parse((await bundle.output(/^\{"pid.*$/m))[0]);
      assert.equal(said.pid, bundle.pid, "the same process");
      assert.deepEqual(said.argv, ["--flag"]);
      for (const option of ["--disable-sigusr1", "--report-exclude-env", "--no-deprecation"])
        assert.ok(said.options.includes(option), option);
      const configs = bundle.events.filter((it) => it.event === "phase.completed" && it.phase === "config");
      assert.equal(configs.length, 1, "the first start says nothing");
      assert.deepEqual(
        readdirSync("/dev/shm").filter((name) => /^sallyport-[\da-f-]{36}$/.test(name)),
        [],
      );
    });
  }

  test("keeps options of the app's and reads values from files as ever", async () => {
    await using fake = await startFakeInfisical({ folders: { "/": { key: CANARY } } });
    const files = Object.fromEntries(
      Object.entries(fake.bootstrap).map(([name, value]) => [`login/${name}`, value]),
    );
    const env = Object.fromEntries(
      Object.keys(fake.bootstrap).map((name) => [`${name}_FILE`, `login/${name}`]),
    );
    await using bundle = startBundle({ config, env, files: { ...files, "app.mjs": APP } });
    await bundle.event("boot.completed");
    assert.ok(!bundle.events.some(({ event }) => event === "bootstrap.exposed"));
  });
});
