/**
 * The canary: every way in which the bundle ends, each with secrets of its own, random and of every shape. What is searched
 * for them afterwards, and how, stands in bundle.ts: that happens in every test that runs a bundle, here on purpose.
 */
import assert from "node:assert/strict";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, suite, test } from "node:test";
import { CODES, type ErrorCode } from "../../entrypoint/errors.ts";
import { startFakeAws } from "../fakes/aws.ts";
import { startFakeInfisical } from "../fakes/infisical.ts";
import { makeFolder } from "../folder.ts";
import { type BundleOptions, type Exit, NODES, startBundle } from "./bundle.ts";
import { canary, withCanaries } from "./canaries.ts";

/** Those that end a process; the others are answers of the admin server. */
type Ending = {
  [Code in ErrorCode]: (typeof CODES)[Code] extends { exit: number } ? Code : never;
}[ErrorCode];

type Scenario = BundleOptions & { readonly config?: object };

const infisical = { test: { provider: "infisical", environment: "prod" } };
const settings = { KEY: "app/key" };
const aws = { test: { provider: "aws-secrets-manager", prefix: "shop" } };
const throwing = (how: string) => `import { hostile, quote } from "./quote.mjs"; ${how}`;
const sqlite = (more: object, folder = makeFolder()) => ({
  config: { settings: { URL: "a/url" }, database: { url: "URL", ...more } },
  secrets: { "a/url": `sqlite:${join(folder, "data.db")}` },
});

/** Reached by what is handed in alone; a new code without a scenario does not compile, and is red below. */
const SCENARIOS: Readonly<Record<Ending, () => Scenario | Promise<Scenario>>> = {
  USAGE_INVALID: () => ({ args: ["helthcheck"] }),
  CONFIG_INVALID: () => ({ config: { sttings: {} } }),
  ENVIRONMENT_INVALID: () => ({ env: { ENVIRONMENT: undefined } }),
  BOOTSTRAP_INVALID: () =>
    loggedIn({ config: { secrets: infisical, settings }, env: { INFISICAL_URL: undefined } }),
  SETTINGS_INVALID: () => ({
    config: {
      settings: {
        NUMBER: { from: "a/key", type: "integer" },
        ADDRESS: { from: "a/pem", type: "url" },
        WORD: { from: "a/bytes", type: ["yes", "no"] },
        GONE: "a/gone",
      },
    },
  }),
  ADMIN_UNAVAILABLE: () => ({ config: { admin: { socket: "/proc/nowhere.sock" } } }),
  IDENTITY_MISSING: () => ({
    config: { secrets: aws, settings },
    env: { REGION: "eu-west-1", KUBERNETES_SERVICE_HOST: "10.0.0.1", AWS_EC2_METADATA_DISABLED: "true" },
  }),
  IDENTITY_REFUSED: async () => {
    const refused = canary();
    const scenario = await loggedIn({ config: { secrets: infisical, settings } });
    return { ...scenario, env: { ...scenario.env, INFISICAL_CLIENT_SECRET: refused }, canaries: [refused] };
  },
  SECRET_DENIED: () => fromAws({ denied: ["shop/app"] }),
  MANAGER_UNREACHABLE: () => fromAws({ fault: "error" }),
  MANAGER_ANSWER_INVALID: () => fromAws({ fault: "garbage" }),
  DATABASE_INVALID: () => ({ config: { database: { url: "KEY" } } }),
  DATABASE_REFUSED: () => onPostgres(refusing.port),
  DATABASE_UNREACHABLE: () => onPostgres(1),
  DRIVER_MISSING: () => ({
    config: { settings: { URL: "a/url" }, database: { url: "URL" } },
    secrets: { "a/url": `mysql://app:${encodeURIComponent(canary())}@127.0.0.1:1/shop` },
  }),
  MIGRATION_LOCKED: () => {
    const folder = makeFolder();
    locked = new DatabaseSync(join(folder, "data.db.sallyport-lock"));
    locked.exec("begin exclusive");
    const migrate = { lockTimeout: "100ms" };
    return { ...sqlite({ migrations: "./migrations", migrate }, folder), ...migrations };
  },
  MIGRATION_INVALID: () => ({
    ...sqlite({ migrations: "./migrations" }),
    files: { "migrations/1_a.sql": "select 1", "migrations/1_b.sql": "select 2" },
  }),
  MIGRATION_PENDING: () => ({ ...sqlite({ migrations: "./migrations", migrate: "check" }), ...migrations }),
  MIGRATION_FAILED: () => ({
    ...sqlite({ migrations: "./migrations" }),
    files: {
      "migrations/1_quote.mjs": `import { hostile } from "../quote.mjs"; export const up = (_, settings) => { throw hostile(settings); };`,
    },
  }),
  SCHEMA_INVALID: () => ({
    ...sqlite({ expect: "./expect.json" }),
    files: { "expect.json": JSON.stringify({ tables: { gone: {} } }) },
  }),
  GUARD_REFUSED: () => {
    const key = canary();
    return {
      secrets: { "a/key": key },
      env: { LEGACY: key, CACHE: `redis://:${encodeURIComponent(key)}@h` },
    };
  },
  WARM_FAILED: () => ({
    config: { warm: "./warm.mjs" },
    files: { "warm.mjs": throwing("export const warm = (settings) => { throw hostile(settings); };") },
  }),
  BOOT_TIMEOUT: () => ({
    config: { bootTimeout: "500ms" },
    files: {
      "app.mjs": throwing(
        "export const start = (settings) => { console.log(quote(settings)); setInterval(() => {}, 1e3); return new Promise(() => {}); };",
      ),
    },
  }),
  APP_EXPORT_MISSING: () => ({ files: { "app.mjs": "export const strat = () => {};" } }),
  APP_FAILED: () => ({
    files: { "app.mjs": throwing("export const start = (settings) => { throw hostile(settings); };") },
  }),
  APP_CRASHED: () => ({
    files: {
      "app.mjs": throwing(
        "export const start = (settings) => { setTimeout(() => { throw hostile(settings); }, 50); };",
      ),
    },
  }),
  SHUTDOWN_FAILED: () => ({
    files: {
      "app.mjs": throwing(
        "export const start = (settings) => { setTimeout(() => process.kill(process.pid, 'SIGTERM'), 50).ref(); return { close() { throw hostile(settings); } }; };",
      ),
    },
  }),
  INTERNAL: () => ({ nodeOptions: ["--import", `data:text/javascript,${encodeURIComponent(BROKEN)}`] }),
  CONTAINER_UNREACHABLE: () => ({ args: ["secrets", "health", "--json"] }),
};

/** A fault in Sallyport itself, with the settings at hand. */
const BROKEN = `const { freeze } = Object; Object.freeze = (it) => {
  if (it && Object.hasOwn(it, "KEY") && Object.hasOwn(it, "toJSON")) throw new Error("broken at " + it.KEY + it.PEM);
  return freeze(it);
};`;

const migrations = { files: { "migrations/1_orders.sql": "create table orders (id integer)" } };
const open: AsyncDisposable[] = [];
let locked: DatabaseSync | undefined;
let refusing: { readonly port: number; readonly server: Server };

before(async () => {
  const server = createServer((socket) => socket.once("data", () => socket.end(refusal())));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  refusing = { server, port: (server.address() as { port: number }).port };
});
after(async () => {
  for (const fake of open) await fake[Symbol.asyncDispose]();
  refusing.server.close();
  locked?.close();
});

/** PostgreSQL's answer to a wrong password. https://www.postgresql.org/docs/current/protocol-error-fields.html */
function refusal(): Buffer {
  const fields = Buffer.from("SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed\0\0");
  const size = Buffer.alloc(4);
  size.writeInt32BE(fields.length + 4);
  return Buffer.concat([Buffer.from("E"), size, fields]);
}

function onPostgres(port: number): Scenario {
  return {
    config: { settings: { URL: "a/url" }, database: { url: "URL" }, bootTimeout: "2s" },
    secrets: { "a/url": `postgres://app:${encodeURIComponent(canary())}@127.0.0.1:${port}/shop` },
  };
}

/** From Infisical, with a login by variables. */
async function loggedIn(scenario: Scenario): Promise<Scenario> {
  const fake = await startFakeInfisical();
  open.push(fake);
  const secret = fake.bootstrap.INFISICAL_CLIENT_SECRET as string;
  return { ...scenario, env: { ...fake.bootstrap, ...scenario.env }, canaries: [secret] };
}

async function fromAws(how: { denied?: string[]; fault?: "error" | "garbage" }): Promise<Scenario> {
  const value = canary();
  const document = JSON.stringify({ key: value });
  const fake = await startFakeAws({ secrets: { "shop/app": document }, ...how });
  open.push(fake);
  if (how.fault) fake.fail(how.fault, { times: 1_000, call: "GetSecretValue" });
  const config = { settings, secrets: aws, bootTimeout: "2s" };
  return { config, env: fake.env, canaries: [value] };
}

/** To its end, whatever it waits for: a refusal that pauses before the exit is told already. */
async function runToEnd(options: BundleOptions): Promise<Exit> {
  await using bundle = startBundle(options);
  void bundle.event("exit.delayed").then(
    () => bundle.kill("SIGTERM"),
    () => {},
  );
  return await bundle.exit;
}

suite("no secret gets out of a bundle that ends with", { concurrency: 2 }, () => {
  for (const [code, entry] of Object.entries(CODES)) {
    if (!("exit" in entry)) continue;
    test(`${code}, exit ${entry.exit}`, async () => {
      const scenario = SCENARIOS[code as Ending];
      assert.ok(scenario, "a code without a scenario: write one above");
      const exit = await runToEnd(withCanaries(await scenario()));
      assert.equal(exit.code, entry.exit, exit.stdout + exit.stderr);
      assert.match(exit.stdout + exit.stderr, new RegExp(code));
    });
  }
});

suite("no secret gets out of a bundle that is well", { concurrency: 2 }, () => {
  for (const { version, path: node } of NODES) {
    test(`and talks about all it has, from start to stop (Node ${version})`, async () => {
      await using bundle = startBundle(withCanaries({ node }));
      await bundle.event("boot.completed");
      await bundle.output(/^listening on/m);
      for (const path of ["/health", "/secrets/health", "/secrets/status", "/nowhere"])
        await bundle.admin(path);
      bundle.kill("SIGTERM");
      const { code, stdout, stderr, events } = await bundle.exit;
      assert.equal(code, 0, stderr);
      for (const name of ["KEY", "CACHE_URL", "PEM", "DOCUMENT", "BYTES", "RING"]) {
        assert.ok(stdout.includes(`[${name}]`), `${name} was about to be printed, and is blanked out`);
        const told = events.filter((it) => it.event === "secret.masked" && it.name === name);
        assert.equal(told.length, 1, `${name} is told once`);
      }
    });
  }

  for (const args of [["check"], ["check", "--json"], ["migrate"], ["version"], ["help"]]) {
    test(`and is asked to ${args.join(" ")}`, async () => {
      const { code, stderr } = await runToEnd(
        withCanaries({ ...sqlite({ migrations: "./migrations" }), ...migrations, args }),
      );
      assert.equal(code, 0, stderr);
    });
  }

  test("and is stopped by a second signal", async () => {
    const stubborn = throwing(
      "export const start = (settings) => { setInterval(() => console.log(quote(settings)), 5); return { close: () => new Promise(() => {}) }; };",
    );
    await using bundle = startBundle(withCanaries({ files: { "app.mjs": stubborn } }));
    await bundle.event("boot.completed");
    bundle.kill("SIGTERM");
    await bundle.event("shutdown.started");
    bundle.kill("SIGTERM");
    assert.equal((await bundle.exit).code, 143);
  });
});
