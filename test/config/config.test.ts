import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { loadConfig, type ParsedConfig } from "../../entrypoint/config/config.ts";
import type { Config } from "../../entrypoint/config/types.ts";
import { SallyportError } from "../../entrypoint/errors.ts";
import { makeFolder } from "../folder.ts";

const SOURCES = { production: { provider: "aws-secrets-manager" } } as const;

interface Asked {
  readonly environment?: string;
  readonly app?: string;
  readonly file?: string;
}

async function folderWith(files: Readonly<Record<string, string>>): Promise<string> {
  const cwd = makeFolder();
  for (const [name, text] of Object.entries(files)) await writeFile(join(cwd, name), text);
  return cwd;
}

async function load(config: unknown, asked: Asked = {}): Promise<ParsedConfig> {
  const text = typeof config === "string" ? config : JSON.stringify(config);
  const cwd = await folderWith({ "sallyport.config.json": text, "server.mjs": "" });
  return loadConfig({ cwd, file: undefined, app: undefined, environment: "production", ...asked });
}

/** `path: message` of every problem. */
async function problemsOf(config: unknown, asked: Asked = {}): Promise<string[]> {
  try {
    await load(config, asked);
  } catch (error) {
    assert.ok(error instanceof SallyportError, String(error));
    return error.problems.map(({ subject, message }) => `${subject}: ${message}`);
  }
  return [];
}

const valid = (more: object = {}, settings: object = {}) => ({ secrets: SOURCES, settings, ...more });

describe("the file", () => {
  test("is found as .json, .mjs or .ts", async () => {
    const source = `export default ${JSON.stringify(valid())}`;
    for (const name of ["sallyport.config.mjs", "sallyport.config.ts"]) {
      const cwd = await folderWith({
        [name]: name.endsWith(".ts") ? `type A = string; ${source} as { secrets: object }` : source,
      });
      const config = await loadConfig({ cwd, file: undefined, app: undefined, environment: "production" });
      assert.equal(config.environment, "production");
    }
  });

  test("may be named, relative to the working directory", async () => {
    const cwd = await folderWith({ "other.json": JSON.stringify(valid()) });
    const config = await loadConfig({ cwd, file: "other.json", app: undefined, environment: "production" });
    assert.equal(config.directory, cwd);
  });

  test("is an error when there is none, or more than one", async () => {
    for (const files of [{}, { "sallyport.config.json": "{}", "sallyport.config.mjs": "" }]) {
      const cwd = await folderWith(files as Record<string, string>);
      await assert.rejects(loadConfig({ cwd, file: undefined, app: undefined, environment: "production" }), {
        code: "CONFIG_INVALID",
        hint: /--config FILE/,
      });
    }
  });

  test("that is not JSON, or exports nothing, is told by its path", async () => {
    await assert.rejects(load("{ // comment"), {
      code: "CONFIG_INVALID",
      message: /sallyport\.config\.json can't be read/,
    });
    const cwd = await folderWith({ "sallyport.config.mjs": "export const config = 1" });
    const asked = { cwd, file: undefined, app: undefined, environment: "production" };
    await assert.rejects(loadConfig(asked), { message: /no default export/ });
  });

  test("may begin with a byte order mark", async () => {
    assert.equal((await load(`\uFEFF${JSON.stringify(valid())}`)).settings.length, 0);
  });
});

describe("shape", () => {
  test("reports every problem at once, each with its path and what is allowed", async () => {
    const config = {
      app: { warp: "./server.js" },
      secrets: {
        production: { provider: "aws-secrets-manager", preifx: "x" },
        other: { provider: "vualt" },
        home: { provider: "infisical" },
      },
      settings: {
        PORT: { from: "app/port", type: "prot" },
        "BAD-NAME": "a/b",
        LEVEL: { from: 5, secret: "no" },
        EMPTY: "",
      },
      admin: "127.0.0.1",
      bootTimeout: "120",
      sttings: {},
    };
    assert.deepEqual(await problemsOf(config, { environment: "nowhere" }), [
      "app.wrap: is required: a text",
      "app.warp: unknown key; did you mean 'wrap'?",
      "secrets.production.preifx: unknown key; did you mean 'prefix'?",
      "secrets.other.provider: must be one of aws-secrets-manager, infisical, files",
      "secrets.home.environment: is required: a text",
      "settings.PORT.type: must be one of string, url, integer, number, boolean, port, duration, json, bytes, or a list, or a Standard Schema validator",
      "settings.BAD-NAME: a name here has only letters, digits and _, beginning with a letter",
      "settings.LEVEL.from: must be a text, or an object",
      "settings.LEVEL.secret: must be true or false",
      "settings.EMPTY: must be a text that is not empty",
      "admin: must be an object",
      "bootTimeout: must be a number with a unit: 250ms, 30s, 5m, 12h or 7d",
      "sttings: unknown key; did you mean 'settings'?",
      "ENVIRONMENT: is 'nowhere', which the config doesn't have; allowed: production, other, home",
    ]);
  });

  test("a name that JavaScript takes for itself is refused, wherever it is", async () => {
    const text =
      '{"secrets":{"production":{"provider":"files","directory":"."},"__proto__":{"provider":"evil"}},"settings":{"__proto__":{"from":"a"}}}';
    assert.deepEqual((await problemsOf(text)).slice(0, 2), [
      "secrets.__proto__: this name is taken by JavaScript",
      "settings.__proto__: this name is taken by JavaScript",
    ]);
  });

  test("a file that is not an object at all is one problem", async () => {
    assert.deepEqual(await problemsOf("[]"), [
      "(the whole file): must be an object",
      "ENVIRONMENT: is 'production', which the config doesn't have",
    ]);
  });

  test("the published type and the schema know the same keys", async () => {
    const full: Required<Config> = {
      $schema: "x",
      app: { wrap: "./server.mjs", ready: "loaded" },
      secrets: {
        production: { provider: "aws-secrets-manager", prefix: "shop" },
        home: { provider: "infisical", environment: "prod" },
        development: { provider: "files", directory: ".secrets" },
      },
      settings: {
        ON: { from: "a/on", type: "boolean" },
        TOKEN: "a/token",
        ALL: {
          from: { id: "a/b", key: "c" },
          type: "json",
          secret: false,
          optional: true,
          empty: true,
          when: "ON",
          stages: ["current"],
        },
        PIN: { from: { id: "a", stage: "previous" }, when: { ON: "true" } },
        VERSION: { from: { id: "a", version: "1" }, type: ["x", "y"] },
      },
      database: {
        url: "TOKEN",
        dialect: "postgres",
        caFile: "./server.mjs",
        migrations: ".",
        migrate: {
          mode: "wait",
          url: "TOKEN",
          lockTimeout: "1m",
          timeout: "2h",
          outOfOrder: "allow",
          baseline: "1.sql",
        },
        expect: "./server.mjs",
      },
      warm: "./server.mjs",
      guard: { mode: "warn", allow: ["root"] },
      harden: true,
      admin: { socket: "/run/x.sock", listen: "127.0.0.1:0", token: "TOKEN" },
      bootTimeout: "2m",
      shutdownTimeout: "20s",
      drainDelay: "0s",
      refreshTimeout: "1m",
      poolDrainTimeout: "2m",
    };
    const config = await load(full);
    assert.equal(config.bootTimeoutMs, 120_000);
    assert.equal(config.drainDelayMs, 0);
    assert.deepEqual(config.guard, full.guard);
    assert.deepEqual(config.admin.listen, { host: "127.0.0.1", port: 0 });
  });
});

describe("ENVIRONMENT", () => {
  test("that is missing or unknown is a problem of its own, with the known ones", async () => {
    for (const environment of ["", "prduction"]) {
      await assert.rejects(load(valid(), { environment }), {
        code: "ENVIRONMENT_INVALID",
        hint: /keys of "secrets"/,
      });
    }
    assert.deepEqual(await problemsOf(valid(), { environment: "prduction" }), [
      "ENVIRONMENT: is 'prduction', which the config doesn't have; did you mean 'production'?",
    ]);
  });
});

describe("settings", () => {
  test("a gate must exist, be boolean or have that word, and not go in circles", async () => {
    const settings = {
      PAYMENTS: { from: "a/b", type: "boolean" },
      LEVEL: { from: "a/c", type: ["debug", "info"] },
      A: { from: "a/d", when: "PAYMNTS" },
      B: { from: "a/e", when: "LEVEL" },
      C: { from: "a/f", when: { LEVEL: "trace" } },
      D: { from: "a/g", type: "boolean", when: "E" },
      E: { from: "a/h", type: "boolean", when: "D" },
    };
    assert.deepEqual(await problemsOf(valid({}, settings)), [
      "settings.A.when: names the setting 'PAYMNTS', which is not declared; did you mean 'PAYMENTS'?",
      `settings.B.when: names 'LEVEL', which is not "type": "boolean"; for others write { "LEVEL": "value" }`,
      "settings.C.when: 'LEVEL' never is 'trace'; it is one of debug, info",
      "settings.D.when: depends on itself",
      "settings.E.when: depends on itself",
    ]);
  });

  test("a gate is held against what its setting can be", async () => {
    const settings = {
      PAY: { from: "a/b", type: "boolean" },
      RING: { from: "a/c", type: "boolean", stages: ["current"] },
      DOC: { from: "a/d", type: "json" },
      A: { from: "a/e", when: { PAY: "yes" } },
      B: { from: "a/f", when: "RING" },
      C: { from: "a/g", when: { DOC: "x" } },
      D: { from: "a/h", when: { PAY: "true" } },
    };
    assert.deepEqual(await problemsOf(valid({}, settings)), [
      'settings.A.when: \'PAY\' is boolean: write "true" or "false"',
      "settings.B.when: names 'RING', whose type can't be compared with a word",
      "settings.C.when: names 'DOC', whose type can't be compared with a word",
    ]);
  });

  test("an address that can't be one is refused, and says why", async () => {
    const settings = {
      A: "/a/b",
      B: "a//b",
      C: "../b",
      D: "a/",
      E: "arn:aws:s3:::bucket",
      F: { from: { id: "x", stage: "previous", version: "1" } },
      G: { from: { id: "x", stage: "previous" }, stages: ["current", "previous"] },
      H: { from: "a/b", stages: ["current", "current"] },
    };
    const problems = await problemsOf(valid({}, settings));
    assert.deepEqual(
      problems.map((it) => it.split(":")[0]),
      [
        "settings.A.from",
        "settings.B.from",
        "settings.C.from",
        "settings.D.from",
        "settings.E.from",
        "settings.F.from",
        "settings.G.from",
        "settings.G.from",
        "settings.H.stages",
      ],
    );
    assert.match(problems[0] ?? "", /begins with '\/'; write it without/);
  });
});

describe("admin", () => {
  test("listening beyond loopback needs a token; on loopback it does not", async () => {
    assert.match(
      (await problemsOf(valid({ admin: { listen: "0.0.0.0:9180" } })))[0] ?? "",
      /^admin\.token: is required/,
    );
    for (const listen of ["127.0.0.1:9180", "localhost:0", "[::1]:9180"]) {
      assert.deepEqual(await problemsOf(valid({ admin: { listen } })), []);
    }
  });

  test("an address that is not host:port is refused", async () => {
    for (const listen of ["9180", ":9180", "host:99999", "::1:80", "a b:80"]) {
      assert.match(
        (await problemsOf(valid({ admin: { listen } })))[0] ?? "",
        /^admin\.listen: must be host:port/,
      );
    }
  });

  test("the token must name a setting that is always there", async () => {
    const admin = { listen: "0.0.0.0:1", token: "T" };
    assert.match((await problemsOf(valid({ admin })))[0] ?? "", /not declared/);
    for (const more of [{ optional: true }, { secret: false }, { type: "json" }, { stages: ["current"] }]) {
      const problems = await problemsOf(valid({ admin }, { T: { from: "a/b", ...more } }));
      assert.match(problems[0] ?? "", /must be a required secret string/);
    }
    assert.deepEqual(await problemsOf(valid({ admin }, { T: "a/b" })), []);
  });
});

test("a time is one that a timer can wait, and draining is a part of the shutdown", async () => {
  assert.match(
    (await problemsOf(valid({ bootTimeout: "30d" })))[0] ?? "",
    /bootTimeout: must be at most 24 days/,
  );
  assert.match(
    (await problemsOf(valid({ drainDelay: "30s" })))[0] ?? "",
    /drainDelay: must be shorter than shutdownTimeout \(25s\)/,
  );
  assert.equal((await load(valid({ bootTimeout: "1.1h" }))).bootTimeoutMs, 3_960_000);
});

describe("app", () => {
  test("is relative to the config file, must exist, and may be named on the command line", async () => {
    assert.deepEqual((await load(valid({ app: "./server.mjs" }))).app?.wrap, false);
    assert.deepEqual((await load(valid({ app: { wrap: "./server.mjs" } }))).app?.wrap, true);
    assert.match(
      (await problemsOf(valid({ app: "./gone.mjs" })))[0] ?? "",
      /^app: there is no file .*gone\.mjs/,
    );
    const named = await load(valid(), { app: "server.mjs" });
    assert.equal(named.app?.wrap, true);
    assert.equal((await load(valid())).app, undefined);
  });
});
