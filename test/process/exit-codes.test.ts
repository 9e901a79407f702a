/** Every exit code, reached by the real bundle, and what its user reads then. */
import assert from "node:assert/strict";
import { execFile, spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startFakeAws } from "../fakes/aws.ts";
import { startFakeInfisical } from "../fakes/infisical.ts";
import { makeFolder } from "../folder.ts";
import { type BundleOptions, type Exit, runBundle as runAny, startBundle as startAny } from "./bundle.ts";

const ENTRYPOINT = fileURLToPath(new URL("../../dist/entrypoint.mjs", import.meta.url));
const APP = `import { createServer } from "node:http"; export const start = () => createServer().listen(0);`;
const files = { "app.mjs": APP, "throws.mjs": "throw new Error('started')" };

const startBundle = (options: BundleOptions) =>
  startAny({ ...options, files: { ...files, ...options.files } });
const runBundle = (options: BundleOptions = {}) =>
  runAny({ ...options, files: { ...files, ...options.files } });

const CANARY = "canary-6f1c9a";

/** The last line on stderr, which tells a person what failed. */
function lastLine({ events }: Exit): string {
  return String(events.at(-1)?.message);
}

function assertRefused(exit: Exit, code: number, errorCode: string, message: RegExp): void {
  assert.equal(exit.code, code, exit.stderr);
  const failed = exit.events.find(({ event }) => event === "run.failed");
  assert.equal(failed?.code, errorCode);
  assert.match(String(failed?.message), message);
  assert.match(String(failed?.message), new RegExp(`\\(${errorCode}, exit ${code}\\)$`));
  assert.ok(!(exit.stdout + exit.stderr).includes(CANARY), "a value was printed");
  assert.doesNotMatch(exit.stderr, /^\s+at /m, "a bare stack was printed");
}

/** Reads the failure, then ends the pause before the exit. */
async function stopAfterFailure(options: BundleOptions): Promise<Exit> {
  await using bundle = startBundle(options);
  await bundle.event("exit.delayed");
  bundle.kill("SIGTERM");
  return await bundle.exit;
}

/** A command beside a running bundle, as `docker exec` would call it. */
function ask(cwd: string, ...args: string[]): Promise<{ code: number; stdout: string }> {
  return new Promise((resolve) => {
    const env = { PATH: process.env.PATH, ENVIRONMENT: "test" };
    const child = execFile(process.execPath, [ENTRYPOINT, ...args], { cwd, env }, (_error, stdout) => {
      resolve({ code: child.exitCode ?? -1, stdout });
    });
  });
}

const aws = (prefix = "shop") => ({
  secrets: { test: { provider: "aws-secrets-manager", prefix } },
  settings: { KEY: "app/key" },
  app: "./app.mjs",
  bootTimeout: "1s",
});

describe("64", () => {
  test("an unknown word, with the nearest valid one", async () => {
    const exit = await runBundle({ args: ["helthcheck"] });
    assertRefused(exit, 64, "USAGE_INVALID", /did you mean 'healthcheck'\?/);
  });
});

describe("78", () => {
  test("three missing, two invalid and one gated-off setting are five lines of one run", async () => {
    const settings = {
      DATABASE_URL: "database/url",
      JWT_KEY: "auth/jwt",
      MAIL_HOST: { from: "mail/host", when: "MAIL" },
      PORT: { from: "app/port", type: "port" },
      WORKERS: { from: "app/workers", type: "integer" },
      PAYMENTS: { from: "features/payments", type: "boolean" },
      MAIL: { from: "features/mail", type: "boolean" },
      STRIPE_KEY: { from: "stripe/key", when: "PAYMENTS" },
    };
    const exit = await runBundle({
      config: { settings, app: "./app.mjs" },
      secrets: {
        "app/port": CANARY,
        "app/workers": CANARY,
        "features/payments": "false",
        "features/mail": "true",
      },
    });
    assertRefused(exit, 78, "SETTINGS_INVALID", /5 settings are missing or wrong/);
    const told = exit.events
      .filter(({ event }) => event.startsWith("problem."))
      .map(({ subject, event }) => `${subject} ${event}`);
    assert.deepEqual(told, [
      "DATABASE_URL problem.missing",
      "JWT_KEY problem.missing",
      "MAIL_HOST problem.missing",
      "PORT problem.invalid",
      "WORKERS problem.invalid",
    ]);
  });

  test("no config, a wrong one, no app, an unknown ENVIRONMENT", async () => {
    assertRefused(
      await runBundle({ args: ["--config", "gone.json"] }),
      78,
      "CONFIG_INVALID",
      /gone\.json can't be read/,
    );
    assertRefused(await runBundle({ config: { sttings: {} } }), 78, "CONFIG_INVALID", /has a problem/);
    assertRefused(await runBundle(), 78, "CONFIG_INVALID", /no app to start/);
    assertRefused(
      await runBundle({ env: { ENVIRONMENT: undefined } }),
      78,
      "ENVIRONMENT_INVALID",
      /ENVIRONMENT is not set; allowed: test/,
    );
  });

  test("no region for AWS, and previous stages where there are none", async () => {
    assertRefused(await runBundle({ config: aws() }), 78, "ENVIRONMENT_INVALID", /aws-secrets-manager/);
    const config = {
      secrets: { test: { provider: "infisical", environment: "prod" } },
      settings: { KEYS: { from: "auth/key", stages: ["current", "previous"] } },
    };
    const exit = await runBundle({ config });
    assertRefused(exit, 78, "CONFIG_INVALID", /infisical can't answer/);
    assert.match(exit.stderr, /auth\/key@previous/);
  });

  test("all bootstrap values that are missing, together", async () => {
    const config = { secrets: { test: { provider: "infisical", environment: "prod" } }, app: "./app.mjs" };
    const exit = await runBundle({
      config,
      env: { INFISICAL_URL: "http://127.0.0.1:1", INFISICAL_CLIENT_ID_FILE: "/nowhere" },
    });
    assertRefused(exit, 78, "BOOTSTRAP_INVALID", /3 bootstrap values are missing or unreadable/);
  });

  test("an admin address that is taken", async () => {
    await using aws = await startFakeAws();
    const config = { app: "./app.mjs", admin: { listen: new URL(aws.url).host } };
    assertRefused(await runBundle({ config }), 78, "ADMIN_UNAVAILABLE", /EADDRINUSE/);
  });

  test("a secret that is JSON but not an object", async () => {
    await using fake = await startFakeAws({ secrets: { "shop/app": `["${CANARY}"]` } });
    const exit = await runBundle({ config: aws(), env: fake.env });
    assertRefused(exit, 78, "SETTINGS_INVALID", /a setting is missing or wrong/);
    assert.match(exit.stderr, /shop\/app is JSON, but not an object/);
  });
});

describe("77", () => {
  test("a refused login is told at once, and the exit waits so that restarts can't lock the identity", async () => {
    await using fake = await startFakeInfisical();
    const config = { secrets: { test: { provider: "infisical", environment: "prod" } }, app: "./app.mjs" };
    const exit = await stopAfterFailure({
      config,
      env: { ...fake.bootstrap, INFISICAL_CLIENT_SECRET: CANARY },
    });
    assertRefused(exit, 77, "IDENTITY_REFUSED", /refused the login/);
    assert.equal(fake.requests.length, 1);
    const delayed = exit.events.find(({ event }) => event === "exit.delayed");
    assert.ok(Number(delayed?.waitMs) >= 30_000);
  });

  test("nothing proves who the container is", async () => {
    const env = {
      REGION: "eu-west-1",
      KUBERNETES_SERVICE_HOST: "10.0.0.1",
      AWS_EC2_METADATA_DISABLED: "true",
    };
    assertRefused(
      await runBundle({ config: aws(), env }),
      77,
      "IDENTITY_MISSING",
      /no ECS, EKS or web identity variables/,
    );
  });

  test("the login works, but may not read", async () => {
    await using fake = await startFakeAws({
      secrets: { "shop/app": `{"key":"${CANARY}"}` },
      denied: ["shop/app"],
    });
    assertRefused(
      await runBundle({ config: aws(), env: fake.env }),
      77,
      "SECRET_DENIED",
      /out of this identity's reach/,
    );
  });
});

describe("69", () => {
  for (const fault of ["hang", "error", "throttle"] as const) {
    test(`a manager that only ever answers with '${fault}'`, async () => {
      await using fake = await startFakeAws({ secrets: { "shop/app": `{"key":"${CANARY}"}` } });
      fake.fail(fault, { times: 1000, call: "GetSecretValue" });
      const exit = await stopAfterFailure({ config: aws(), env: fake.env });
      assertRefused(
        exit,
        69,
        "MANAGER_UNREACHABLE",
        /Secrets Manager in eu-west-1 could not be reached before bootTimeout/,
      );
    });
  }

  test("a manager that is not one", async () => {
    await using fake = await startFakeAws({ secrets: { "shop/app": `{"key":"${CANARY}"}` } });
    fake.fail("garbage", { call: "GetSecretValue" });
    const exit = await stopAfterFailure({ config: aws(), env: fake.env });
    assertRefused(exit, 69, "MANAGER_ANSWER_INVALID", /answered in a way its API does not know/);
  });
});

describe("70", () => {
  test("an app that is not ready before bootTimeout", async () => {
    const exit = await runBundle({
      config: { app: "./app.mjs", bootTimeout: "300ms" },
      files: { "app.mjs": "setInterval(() => {}, 1000); export const start = () => new Promise(() => {});" },
    });
    assertRefused(exit, 70, "BOOT_TIMEOUT", /bootTimeout passed in phase app/);
  });
});

describe("secrecy and honesty at the edges", () => {
  const config = (
    validate: string,
  ) => `const type = { "~standard": { version: 1, vendor: "test", validate: (text) => ${validate} } };
    export default { secrets: { test: { provider: "files", directory: "." } }, settings: { KEY: { from: "key", type } }, app: "./app.mjs" }`;

  test("a value that a validator lets slip is masked, in run and in check", async () => {
    const late = config(
      `{ Promise.reject(new Error("late " + text)); return new Promise((resolve) => setTimeout(() => resolve({ value: text }), 300)); }`,
    );
    for (const args of [[], ["check"]]) {
      const exit = await runBundle({ files: { "sallyport.config.mjs": late, key: CANARY }, args });
      assert.equal(exit.code, 70, exit.stderr);
      assert.ok(!exit.stderr.includes(CANARY), exit.stderr);
      assert.match(exit.stderr, /late \[KEY\]/);
    }
  });

  test("a value in JSON in an error message is masked, though it is escaped twice", async () => {
    const app =
      "export const start = (settings) => { throw new Error(JSON.stringify({ password: settings.KEY })); };";
    const secrets = { "app/key": 'canary"6f\\1c9a' };
    const exit = await runBundle({
      config: { settings: { KEY: "app/key" }, app: "./app.mjs" },
      secrets,
      files: { "app.mjs": app },
    });
    assert.equal(exit.code, 70);
    assert.match(exit.stderr, /\[KEY\]/);
    assert.doesNotMatch(exit.stderr, /canary/);
  });

  test("an error tells what caused it, and a thrown text is told", async () => {
    const thrown = {
      "new Error('outer', { cause: Object.assign(new Error('inner'), { code: 'EINNER' }) })":
        /Error: outer; because of Error: inner \(EINNER\)/,
      "'only text'": /only text/,
    };
    for (const [what, message] of Object.entries(thrown)) {
      const exit = await runBundle({
        config: { app: "./app.mjs" },
        files: { "app.mjs": `export const start = () => { throw ${what}; };` },
      });
      assert.match(String(exit.events.find(({ event }) => event === "error.thrown")?.message), message);
    }
  });

  test("a secret of 64 KiB boots like any other", async () => {
    const settings = { KEY: "app/key" };
    await using bundle = startBundle({
      config: { settings, app: "./app.mjs" },
      secrets: { "app/key": CANARY.repeat(4_700) },
    });
    await bundle.event("boot.completed");
  });

  test("a boot that waits for nothing is a failure, not an end", async () => {
    const exit = await runBundle({
      files: { "sallyport.config.mjs": config("new Promise(() => {})"), key: "x" },
    });
    assertRefused(exit, 70, "BOOT_TIMEOUT", /phase settings waits for something that never comes/);
  });

  test("the last lines reach a slow reader", async () => {
    const settings = Object.fromEntries(
      Array.from({ length: 2_000 }, (_, index) => [`SETTING_${index}`, `app/a-rather-long-name-${index}`]),
    );
    const folder = makeFolder();
    writeFileSync(
      join(folder, "sallyport.config.json"),
      JSON.stringify({ secrets: { test: { provider: "files", directory: "." } }, settings }),
    );
    const command = `"${process.execPath}" "${ENTRYPOINT}" check 2>&1 | (sleep 0.5; cat)`;
    const { stdout } = spawnSync("sh", ["-c", command], {
      cwd: folder,
      env: { PATH: process.env.PATH, ENVIRONMENT: "test" },
      encoding: "utf8",
      maxBuffer: 2 ** 26,
    });
    assert.match(stdout, /SETTINGS_INVALID, exit 78/);
    assert.equal(stdout.split("\n").filter((line) => line.includes("problem.missing")).length, 2_000);
  });

  test("a stop during check is a stop", async () => {
    const forever =
      "export default await (console.log('hanging'), new Promise((resolve) => setTimeout(resolve, 1e8)))";
    await using bundle = startBundle({ files: { "sallyport.config.mjs": forever }, args: ["check"] });
    await bundle.output(/hanging/);
    bundle.kill("SIGTERM");
    assert.equal((await bundle.exit).code, 143);
  });
});

describe("0 and 1", () => {
  test("healthcheck follows the container, secrets health tells of its fetch", async () => {
    const config = { app: "./app.mjs", settings: { PORT: "app/port" } };
    await using bundle = startBundle({ config, secrets: { "app/port": "0" } });
    await bundle.event("boot.completed");
    const at = { directory: bundle.directory };
    const healthy = await ask(at.directory, "healthcheck");
    assert.equal(healthy.code, 0);
    assert.match(healthy.stdout, /"phase":"ready"/);
    const told = await ask(at.directory, "secrets", "health", "--json");
    assert.equal(told.code, 0);
    assert.equal(JSON.parse(told.stdout).settings, 1);
    assert.match((await ask(at.directory, "secrets", "health")).stdout, /^fetched: true$/m);
    bundle.kill("SIGTERM");
    assert.equal((await bundle.exit).code, 0);
    assert.equal((await ask(at.directory, "healthcheck")).code, 1);
    const gone = await ask(at.directory, "secrets", "health", "--json");
    assert.equal(gone.code, 1);
    assert.equal(JSON.parse(gone.stdout).error.code, "CONTAINER_UNREACHABLE");
  });

  test("a socket of the config's own is found by its askers", async () => {
    const config = { app: "./app.mjs", settings: { PORT: "app/port" }, admin: { socket: "./own.sock" } };
    await using bundle = startBundle({ config, secrets: { "app/port": "0" } });
    await bundle.event("boot.completed");
    assert.equal((await ask(bundle.directory, "healthcheck")).code, 0);
    assert.equal(
      (await ask(bundle.directory, "healthcheck", "--live", "--config", "sallyport.config.json")).code,
      0,
    );
  });

  test("a socket that a killed process left at the usual place does not hide it", async () => {
    const settings = { PORT: "app/port" };
    await using killed = startBundle({
      config: { app: "./app.mjs", settings },
      secrets: { "app/port": "0" },
    });
    await killed.event("boot.completed");
    killed.kill("SIGKILL");
    await killed.exit;
    const config = {
      app: "./app.mjs",
      settings: {},
      secrets: { test: { provider: "files", directory: "." } },
      admin: { socket: "./own.sock" },
    };
    writeFileSync(join(killed.directory, "sallyport.config.json"), JSON.stringify(config));
    const again = spawn(process.execPath, [ENTRYPOINT], {
      cwd: killed.directory,
      env: { PATH: process.env.PATH, ENVIRONMENT: "test" },
      stdio: "ignore",
    });
    let healthy = { code: 1, stdout: "" };
    for (let tries = 0; tries < 50 && healthy.code !== 0; tries++)
      healthy = await ask(killed.directory, "healthcheck");
    again.kill("SIGKILL");
    assert.equal(healthy.code, 0, healthy.stdout);
  });

  test("version and help", async () => {
    assert.match((await runBundle({ args: ["version"] })).stdout, /^sallyport \d+\.\d+\.\d+ \(node v\d+/);
    assert.match((await runBundle({ args: ["help"] })).stdout, /healthcheck \[--live\]/);
  });
});

describe("check", () => {
  test("finds nothing wrong and starts nothing", async () => {
    const config = { app: "./throws.mjs", settings: { KEY: "app/key" } };
    const exit = await runBundle({ config, secrets: { "app/key": CANARY }, args: ["check", "--json"] });
    assert.equal(exit.code, 0);
    assert.equal(JSON.parse(exit.stdout).ok, true);
    assert.equal(exit.stderr, "");
  });

  test("finds what is wrong, as JSON or as lines, with the code of run", async () => {
    const options = {
      config: { settings: { KEY: "app/key", PORT: { from: "app/port", type: "port" } } },
      secrets: { "app/port": CANARY },
    };
    const json = await runBundle({ ...options, args: ["check", "--json"] });
    assert.equal(json.code, 78);
    const { error } = JSON.parse(json.stdout);
    assert.equal(error.code, "SETTINGS_INVALID");
    assert.deepEqual(
      error.problems.map(({ subject }: { subject: string }) => subject),
      ["KEY", "PORT"],
    );
    const lines = await runBundle({ ...options, args: ["check"] });
    assertRefused(lines, 78, "SETTINGS_INVALID", /2 settings/);
    assert.match(lastLine(lines), /exit 78/);
  });
});

describe("128 + n", () => {
  // Each says when it has come so far, and then never ends.
  const forever = `(console.log("hanging"), new Promise((resolve) => setTimeout(resolve, 1e8)))`;
  const configWith = (settings: string, app: string) =>
    `export default { secrets: { test: { provider: "files", directory: "." } }, settings: ${settings}, app: "${app}" }`;
  const validator = `{ "~standard": { version: 1, vendor: "slow", validate: () => ${forever} } }`;
  const hanging = {
    config: `await ${forever}`,
    settings: configWith(`{ KEY: { from: "key", type: ${validator} } }`, "./app.mjs"),
    app: configWith("{}", "./hangs.mjs"),
  };
  for (const [phase, config] of Object.entries(hanging)) {
    test(`a stop in phase ${phase} exits 143 at once and leaves nothing behind`, async () => {
      const hangs = `export const start = () => ${forever}`;
      await using bundle = startBundle({
        files: { "sallyport.config.mjs": config, key: "v", "hangs.mjs": hangs },
      });
      await bundle.output(/hanging/);
      bundle.kill("SIGTERM");
      const exit = await bundle.exit;
      assert.equal(exit.code, 143, exit.stderr);
      assert.match(lastLine(exit), new RegExp(`SIGTERM in phase ${phase}`));
      assert.equal(bundle.socket(), undefined);
    });
  }

  for (const [phase, call] of [
    ["identity", "/credentials"],
    ["fetch", "GetSecretValue"],
  ] as const) {
    test(`a stop in phase ${phase}, with the other side hanging, exits 130 for SIGINT`, async () => {
      await using fake = await startFakeAws({ secrets: { "shop/app": '{"key":"x"}' } });
      fake.fail("hang", { times: 1000, call });
      await using bundle = startBundle({ config: { ...aws(), bootTimeout: "60s" }, env: fake.env });
      while (!fake.requests.some((it) => it.call === call)) await delay(10);
      bundle.kill("SIGINT");
      const exit = await bundle.exit;
      assert.equal(exit.code, 130, exit.stderr);
      assert.match(lastLine(exit), new RegExp(`SIGINT in phase ${phase}`));
      assert.equal(bundle.socket(), undefined);
    });
  }
});
