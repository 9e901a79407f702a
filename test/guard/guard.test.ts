/** What the guard finds around a process, and what it does about it. */
import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { SallyportError } from "../../entrypoint/errors.ts";
import { checkEnvironment } from "../../entrypoint/guard/environment.ts";
import { type Surroundings, standGuard } from "../../entrypoint/guard/guard.ts";
import { createMask } from "../../entrypoint/guard/mask.ts";
import { checkNodeOptions } from "../../entrypoint/guard/node-options.ts";
import { checkProcess } from "../../entrypoint/guard/process.ts";
import { makeFolder } from "../folder.ts";

const VALUE = "correct-horse-battery";

function surroundings(env: Record<string, string>, execArgv: string[] = []): Surroundings {
  const mask = createMask();
  mask.add("DB_LOGIN", VALUE);
  return { env, execArgv, secrets: ["DB_LOGIN"], find: mask.find, bootstrap: new Map() };
}

/** `!` before what is certain enough to refuse the start. */
function findings(env: Record<string, string>): string[] {
  return checkEnvironment(surroundings(env)).map(({ subject, isSevere }) => (isSevere ? "!" : "") + subject);
}

describe("in the environment", () => {
  test("a declared secret, a known name and a fetched value are certain", () => {
    const env = {
      DB_LOGIN: "an old one",
      PGPASSWORD: "x",
      LEGACY: VALUE,
      CACHE: `redis://app:${encodeURIComponent(VALUE)}@cache:6379`,
      HEADER: `Basic ${Buffer.from(`app:${VALUE}`).toString("base64")}`,
    };
    assert.deepEqual(findings(env), ["!DB_LOGIN", "!PGPASSWORD", "!LEGACY", "!CACHE", "!HEADER"]);
  });

  test("what looks like a secret by name or value is suspected", () => {
    const env = {
      ACME_API_KEY: "0a1b2c3d4e5f",
      acmeToken: "0a1b2c3d4e5f",
      "db-password": "hunter2",
      UPSTREAM: "https://user:pass@host/",
      PEM: "-----BEGIN EC PRIVATE KEY-----\n",
      GIT: "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
      AWS_SECRET_ACCESS_KEY: "wJalrXUtnFEMI",
      ACTIONS: "ghs_0123456789abcdefghijklmnopqrstuvwxyz",
      PAYMENTS: "rk_live_0123456789",
      MODEL: "sk-proj-0123456789",
      ALERTS: "https://hooks.slack.com/services/T0/B0/0123456789",
    };
    assert.deepEqual(findings(env), Object.keys(env));
  });

  test("paths, switches, numbers, plain addresses and the platform's own are neither", () => {
    const env = {
      PATH: "/usr/bin",
      TOKEN_TTL: "3600",
      SESSION_TOKEN_TIMEOUT: "15m",
      AUTH_MODE: "oidc",
      AUTH_ISSUER: "example",
      PASSWORD_HASH_ALGORITHM: "argon2id",
      TOKEN_HEADER: "x-api-token",
      AUTH_ENABLED: "true",
      AUTH_URL: "https://auth.example/login",
      DB_PASSWORD_FILE: "/run/secrets/db_password",
      SSH_AUTH_SOCK: "/tmp/agent",
      AWS_CONTAINER_AUTHORIZATION_TOKEN: "eyJ0b2tlbiI6InRva2VuIn0",
      AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: "/v2/credentials/0123",
      npm_config__auth: "abc",
      PASSENGER_APP: "shop",
      AUTHOR: "somebody",
      PGPASSWORD: "",
    };
    assert.deepEqual(findings(env), []);
  });

  test("a finding names the variable and never shows its value", () => {
    const found = checkEnvironment(surroundings({ LEGACY: VALUE, ACME_TOKEN: "0a1b2c3d" }));
    const told = JSON.stringify(found);
    assert.match(told, /holds the value of DB_LOGIN/);
    assert.ok(!told.includes(VALUE) && !told.includes("0a1b2c3d"));
  });
});

test("options that open the process are found however they are given", () => {
  const found = checkNodeOptions(
    ["--inspect=0.0.0.0:9229", "--max-old-space-size=100", "--experimental-default-config-file"],
    {
      NODE_OPTIONS: '--heapsnapshot_signal=SIGUSR2 "--env-file=.env" --require tracing',
      NODE_TLS_REJECT_UNAUTHORIZED: "0",
      NODE_DEBUG: "http",
    },
  );
  assert.deepEqual(
    found.map(({ subject, isSevere }) => (isSevere ? "!" : "") + subject),
    [
      ...["!--inspect", "--experimental-default-config-file", "!--heapsnapshot-signal", "--env-file"],
      ...["!NODE_TLS_REJECT_UNAUTHORIZED", "NODE_DEBUG"],
    ],
  );
  assert.deepEqual(checkNodeOptions([], { NODE_TLS_REJECT_UNAUTHORIZED: "1" }), []);
});

test("a bootstrap file that others may read or write is told with its mode", () => {
  const folder = makeFolder();
  const bootstrap = new Map(["open", "mine", "gone"].map((name) => [name, `${folder}/${name}`]));
  for (const name of ["open", "mine"]) writeFileSync(`${folder}/${name}`, "x");
  chmodSync(`${folder}/open`, 0o666);
  chmodSync(`${folder}/mine`, 0o400);
  const found = checkProcess({ bootstrap, find: () => [] }).filter(({ subject }) => bootstrap.has(subject));
  assert.deepEqual(
    found.map(({ subject }) => subject),
    ["open"],
  );
  assert.match(found[0]?.message ?? "", /written and read by other users \(mode 0666\)/);
});

describe("the guard", () => {
  const env = { LEGACY: VALUE, PGPASSWORD: "x", ACME_TOKEN: "0a1b2c3d", NODE_TLS_REJECT_UNAUTHORIZED: "0" };
  const stand = (mode: "refuse" | "warn", allow: string[] = []) => {
    const warned: string[] = [];
    const allowed = [...allow, "root", "core dumps"];
    const log = (_: string, __: string, ___: string, fields?: object) =>
      void warned.push((fields as { subject: string }).subject);
    try {
      standGuard(surroundings(env), { mode, allow: allowed }, log);
    } catch (error) {
      return { warned, refused: error as SallyportError };
    }
    return { warned, refused: undefined };
  };

  test("refuses all that is certain at once, and warns of the rest", () => {
    const { warned, refused } = stand("refuse");
    assert.ok(refused instanceof SallyportError);
    assert.equal(refused.exitCode, 81);
    const subjects = refused.problems.map(({ subject }) => subject);
    assert.deepEqual(subjects, ["LEGACY", "PGPASSWORD", "NODE_TLS_REJECT_UNAUTHORIZED"]);
    assert.match(refused.hint ?? "", /"allow": \["LEGACY", "PGPASSWORD", "NODE_TLS_REJECT_UNAUTHORIZED"\]/);
    assert.deepEqual(warned, ["ACME_TOKEN"]);
  });

  test("lets pass what is allowed, and what it only warns of", () => {
    const { warned, refused } = stand("refuse", ["LEGACY", "PGPASSWORD", "NODE_TLS_REJECT_UNAUTHORIZED"]);
    assert.equal(refused, undefined);
    assert.deepEqual(warned, ["ACME_TOKEN"]);
    const lenient = stand("warn");
    assert.equal(lenient.refused, undefined);
    assert.equal(lenient.warned.length, 4);
  });
});
