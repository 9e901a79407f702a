/** Every exit code of a refusal, reached by the real bundle, and what its user reads then. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startFakeAws } from "../fakes/aws.ts";
import { startFakeInfisical } from "../fakes/infisical.ts";
import { assertRefused, aws, CANARY, runBundle, startBundle, stopAfterFailure } from "./refusal.ts";

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

test("a start that the manager kept waiting for ten seconds does not come back at once, though Docker would bring it", async () => {
  await using fake = await startFakeInfisical({ folders: { "/": { OTHER: "x" } } });
  const wait = { status: 429, body: {}, headers: { "retry-after": "9" } };
  fake.fail(() => wait, { call: "secrets" });
  const secrets = { test: { provider: "infisical", environment: "prod" } };
  const config = { secrets, settings: { KEY: "KEY" }, app: "./app.mjs" };
  await using bundle = startBundle({ config, env: fake.bootstrap });
  await bundle.event("request.retried");
  const { waitMs } = await bundle.event("exit.delayed");
  assert.ok(Number(waitMs) > 20_000, `${waitMs}`);
  bundle.kill("SIGTERM");
  assertRefused(await bundle.exit, 78, "SETTINGS_INVALID", /a setting is missing or wrong/);
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
    assert.ok(Number(delayed?.waitMs) >= 300_000);
  });

  test("migrate, whose end somebody waits for, waits only until its own tries do not add up", async () => {
    await using fake = await startFakeInfisical();
    const config = {
      secrets: { test: { provider: "infisical", environment: "prod" } },
      settings: { DATABASE_URL: "url" },
      database: { url: "DATABASE_URL", migrations: "." },
    };
    const env = { ...fake.bootstrap, INFISICAL_CLIENT_SECRET: CANARY };
    const exit = await stopAfterFailure({ config, env, args: ["migrate"] });
    assertRefused(exit, 77, "IDENTITY_REFUSED", /refused the login/);
    assert.equal(exit.events.find(({ event }) => event === "exit.delayed")?.waitMs, 31_000);
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
        /Secrets Manager in eu-west-1 could not be reached in time/,
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
