/** Real servers under the real bundle: unmodified ones under `wrap`, and those that export `start`. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type BundleOptions, guest, NODES, runBundle, startBundle } from "./bundle.ts";

const DATABASE_URL = "postgres://shop:correct-horse-battery@db/shop";
const API_KEY = "api-key-0123456789";

/** As the guests print it: the value itself would be blanked out. */
const backwards = (value: string) => [...value].reverse().join("");

function wrap(name: string, ready?: "loaded"): BundleOptions {
  return {
    config: {
      app: { wrap: guest(name), ...(ready && { ready }) },
      settings: { DATABASE_URL: "db/url", PORT: "app/port" },
    },
    secrets: { "db/url": DATABASE_URL, "app/port": "0" },
  };
}

function started(name: string, ...args: string[]): BundleOptions {
  return {
    config: {
      app: guest(name),
      settings: { DATABASE_URL: "db/url", PORT: { from: "app/port", type: "integer", secret: false } },
    },
    args: args.length > 0 ? [guest(name), ...args] : [],
    secrets: { "db/url": DATABASE_URL, "app/port": "0" },
  };
}

const SERVERS = {
  "express.cjs": "Express, CommonJS, behind require.main === module",
  "fastify.mjs": "Fastify, ESM",
  "plain.cjs": "CommonJS that reads process.env while it loads",
  "main.mjs": "ESM behind import.meta.main",
  "await.mjs": "ESM with a top-level await",
  "typed.ts": "TypeScript",
  folder: "a folder with a package.json",
};

suite("an unmodified server answers under wrap", { concurrency: 4 }, () => {
  for (const { version, path: node } of NODES) {
    for (const [app, what] of Object.entries(SERVERS)) {
      test(`${what} on Node ${version}`, async () => {
        await using bundle = startBundle({ ...wrap(app), node });
        await bundle.event("boot.completed");
        const answer = JSON.parse((await bundle.get("/")).text);
        assert.deepEqual(answer, { database: DATABASE_URL, argv: [guest(app)] });
        assert.equal((await bundle.admin("/health")).status, 200);

        bundle.kill("SIGTERM");
        const { code, stdout, stderr } = await bundle.exit;
        assert.equal(code, 0, stderr);
        assert.equal(stdout.match(/listening on/g)?.length, 1, "it ran once");
        assert.ok(!(stdout + stderr).includes(DATABASE_URL));
        assert.equal(bundle.socket(), undefined);
      });
    }
  }
});

const HOOKS = `data:text/javascript,import { register } from "node:module";
  register("data:text/javascript,export const resolve = (it, context, next) => next(it, context)");`;
const PRELOADS = { "a preloaded module": "data:text/javascript,", "asynchronous module hooks": HOOKS };

suite("what tracing tools put in with --import does not disturb the app", { concurrency: 4 }, () => {
  for (const { version, path: node } of NODES) {
    for (const [what, preload] of Object.entries(PRELOADS)) {
      const nodeOptions = ["--import", preload, "--no-deprecation"];
      for (const app of ["express.cjs", "main.mjs"]) {
        test(`main guards hold in ${app} with ${what} (Node ${version})`, async () => {
          await using bundle = startBundle({ ...wrap(app), node, nodeOptions });
          await bundle.event("boot.completed");
          assert.equal((await bundle.get("/")).status, 200);
          assert.equal(bundle.stdout.match(/listening on/g)?.length, 1, "it ran once");
        });
      }

      test(`a job gives its exit code with ${what} (Node ${version})`, async () => {
        const { code, stderr } = await runBundle({ ...wrap("job.mjs", "loaded"), node, nodeOptions });
        assert.equal(code, 3, stderr);
      });
    }
  }
});

suite("what follows the app on the command line", { concurrency: 4 }, () => {
  test("reaches it as process.argv", async () => {
    const options = wrap("plain.cjs");
    await using bundle = startBundle({ ...options, args: ["node", guest("plain.cjs"), "--flag", "word"] });
    const { argv } = JSON.parse((await bundle.get("/")).text);
    assert.deepEqual(argv, [guest("plain.cjs"), "--flag", "word"]);
  });

  test("reaches import { argv } too, and an app without a config entry is wrapped", async () => {
    const config = { settings: { DATABASE_URL: "db/url", PORT: "app/port" } };
    const args = ["run", guest("main.mjs"), "-v"];
    await using bundle = startBundle({ ...wrap("main.mjs"), config, args });
    const { argv } = JSON.parse((await bundle.get("/")).text);
    assert.deepEqual(argv, [guest("main.mjs"), "-v"]);
  });
});

suite("the overlay on process.env", { concurrency: 3 }, () => {
  const options: BundleOptions = {
    config: {
      app: { wrap: guest("overlay.cjs"), ready: "loaded" },
      settings: {
        DATABASE_URL: "db/url",
        API_KEY: "api/key",
        SENTRY_DSN: { from: "sentry/dsn", optional: true },
      },
    },
    secrets: { "db/url": DATABASE_URL, "api/key": API_KEY },
  };

  for (const { version, path: node } of NODES) {
    test(`serves reads by name, shows nothing in lists and copies, keeps changes to itself (Node ${version})`, async () => {
      const { code, stdout, stderr } = await runBundle({ ...options, node });
      assert.equal(code, 0, stderr);
      const { readings, listings, changes } = JSON.parse(stdout);

      assert.deepEqual(readings, {
        byName: backwards(DATABASE_URL),
        destructured: backwards(DATABASE_URL),
        required: backwards(DATABASE_URL),
        in: true,
        hasOwn: true,
        hasOwnProperty: true,
        off: [null, false, false],
        unknown: [null, false],
        real: ["test", true],
        toString: "[object Object]",
      });
      for (const [where, text] of Object.entries(listings).map(([key, it]) => [key, JSON.stringify(it)])) {
        assert.ok(
          !text?.includes("correct-horse-battery") && !text?.includes(API_KEY),
          `a value in ${where}`,
        );
        assert.ok(!text?.includes("DATABASE_URL"), `a name in ${where}`);
        if (where !== "report") assert.ok(text?.includes("ENVIRONMENT"), `no environment in ${where}`);
      }
      assert.deepEqual(changes, {
        kept: true,
        filled: "from .env",
        assigned: "the app's own",
        listed: ["OTHER"],
        coerced: "5",
        child: "undefined 5",
        deleted: true,
        afterDelete: [null, false, false],
      });
    });

    test(`covers every way to import it (Node ${version})`, async () => {
      const { stdout } = await runBundle({ ...wrap("imports.mjs", "loaded"), node });
      assert.deepEqual(JSON.parse(stdout), Array(4).fill(backwards(DATABASE_URL)));
    });
  }

  test("covers a real variable of the same name, which lists don't show any more", async () => {
    const env = { DATABASE_URL: "from the environment" };
    const { stdout } = await runBundle({
      ...options,
      config: { ...(options.config as object), guard: "off" },
      env,
    });
    const { readings, listings } = JSON.parse(stdout);
    assert.equal(readings.byName, backwards(DATABASE_URL));
    assert.ok(!listings.keys.includes("DATABASE_URL"));
  });
});

suite("an app that fails while it starts", { concurrency: 4 }, () => {
  const failing = {
    "throws.cjs": "a CommonJS module that throws",
    "throws.mjs": "an ESM module that throws",
  };
  for (const { version, path: node } of NODES) {
    for (const [app, what] of Object.entries(failing)) {
      test(`${what} exits 70, its error printed once and masked (Node ${version})`, async () => {
        const { code, stdout, stderr, events } = await runBundle({ ...wrap(app), node });
        assert.equal(code, 70, stderr);
        const thrown = events.filter(({ event }) => event === "error.thrown");
        assert.deepEqual(
          thrown.map(({ message }) => message),
          ["Error: can't parse [DATABASE_URL]"],
        );
        assert.match(String(events.at(-1)?.message), /\(APP_FAILED, exit 70\)$/);
        assert.equal(stderr.split("can't parse").length - 1, 2, "once as message, once in the stack");
        assert.ok(!(stdout + stderr).includes("correct-horse-battery"));
      });
    }
  }

  test("a module with a syntax error exits 70 and says where", async () => {
    const files = { "app.mjs": "export const = 1;" };
    const config = { app: { wrap: "./app.mjs" } };
    const { code, stderr } = await runBundle({ config, files });
    assert.equal(code, 70);
    assert.match(stderr, /SyntaxError/);
  });

  test("a file that is not there exits 78", async () => {
    const { code, stderr } = await runBundle({ config: { app: { wrap: "./nowhere.js" } } });
    assert.equal(code, 78);
    assert.match(stderr, /there is no file .*nowhere\.js/);
  });

  test("a folder without a program exits 70", async () => {
    const files = { "server/readme.txt": "" };
    const { code, stderr } = await runBundle({ config: { app: { wrap: "./server" } }, files });
    assert.equal(code, 70);
    assert.match(stderr, /APP_FAILED/);
  });

  test("a port that is in use exits 70 and names the address", async () => {
    const { code, stderr, events } = await runBundle(wrap("taken.mjs"));
    assert.equal(code, 70);
    assert.match(stderr, /EADDRINUSE/);
    assert.equal(events.filter(({ event }) => event === "boot.completed").length, 1);
  });

  for (const { version, path: node } of NODES) {
    for (const ready of [undefined, "loaded"] as const) {
      test(`a top-level await that can't end exits 70, ready: ${ready ?? "listening"} (Node ${version})`, async () => {
        const { code, stderr } = await runBundle({ ...wrap("stuck.mjs", ready), node });
        assert.equal(code, 70, stderr);
        assert.match(stderr, /the top-level await of .*stuck\.mjs never settled/);
      });
    }
  }

  test("a server that never listens exits 70 at the end of bootTimeout, with the way out", async () => {
    const files = { "app.cjs": "setInterval(() => {}, 1000)" };
    const config = { app: { wrap: "./app.cjs" }, bootTimeout: "300ms" };
    const { code, stderr } = await runBundle({ config, files });
    assert.equal(code, 70);
    assert.match(stderr, /"ready": "loaded"|\\"ready\\": \\"loaded\\"/);
  });
});

suite("an app that ends by itself", { concurrency: 4 }, () => {
  for (const { version, path: node } of NODES) {
    test(`gives its exit code, after its own last work (Node ${version})`, async () => {
      const { code, stdout, stderr } = await runBundle({ ...wrap("job.mjs", "loaded"), node });
      assert.equal(code, 3, stderr);
      assert.equal(stdout, "working with a database\nflushed\n");
    });
  }

  test("is ready as soon as it runs, whatever it awaits at the top level, when ready is 'loaded'", async () => {
    const program = `const work = setInterval(() => {}, 1000);
      await new Promise((resolve) => process.once("SIGTERM", resolve));
      clearInterval(work);
      console.log("done");`;
    const config = { app: { wrap: "./app.mjs", ready: "loaded" } };
    await using bundle = startBundle({ config, files: { "app.mjs": program } });
    await bundle.event("boot.completed");
    bundle.kill("SIGTERM");
    const { code, stdout } = await bundle.exit;
    assert.deepEqual([code, stdout], [0, "done\n"]);
  });

  test("may do so before it listens, as node would let it", async () => {
    const { code, events } = await runBundle(wrap("job.mjs"));
    assert.equal(code, 3);
    assert.equal(events.at(-1)?.event, "app.ended");
  });

  test("may call process.exit, and the admin socket goes with it", async () => {
    await using bundle = startBundle(wrap("fragile.mjs"));
    await bundle.event("boot.completed");
    assert.ok(bundle.socket());
    await bundle.get("/exit").catch(() => {});
    assert.equal((await bundle.exit).code, 3);
    assert.equal(bundle.socket(), undefined);
  });
});

suite("an app with start()", { concurrency: 4 }, () => {
  for (const { version, path: node } of NODES) {
    test(`gets settings that it can read and nobody can print or change (Node ${version})`, async () => {
      await using bundle = startBundle({ ...started("start.mjs"), node });
      const report = JSON.parse((await bundle.get("/")).text);
      assert.equal(report.read, DATABASE_URL);
      assert.deepEqual(report.spread, { PORT: 0 });
      for (const text of [report.inspected, report.stringified]) {
        assert.match(text, /DATABASE_URL/);
        assert.doesNotMatch(text, /correct-horse/);
      }
      assert.deepEqual([report.assigned, report.deleted], ["TypeError", "TypeError"]);
      assert.ok(!report.environment.includes("DATABASE_URL"));
    });
  }

  test("closes what start() returned first, then its shutdown functions, last in first out", async () => {
    await using bundle = startBundle(started("start.mjs"));
    await bundle.event("boot.completed");
    bundle.kill("SIGTERM");
    const { code, stdout } = await bundle.exit;
    assert.equal(code, 0);
    assert.deepEqual(stdout.trim().split("\n").slice(1), [
      "stopping: AbortError",
      "closed: server",
      "closed: second",
      "closed: first",
    ]);
  });

  test("logs in our format, with known values blanked out", async () => {
    await using bundle = startBundle(started("start.mjs"));
    const { message, port, database } = await bundle.event("app.logged");
    assert.deepEqual([message, port, database], ["starting", 0, "[DATABASE_URL]"]);
  });

  test("is as healthy as its own checks say", async () => {
    await using bundle = startBundle(started("start.mjs"));
    await bundle.event("boot.completed");
    const before = await bundle.admin("/health");
    await bundle.get("/sick");
    const after = await bundle.admin("/health");
    assert.deepEqual([before.status, after.status], [200, 503]);
    assert.deepEqual(JSON.parse(after.text).checks, { database: false });
    assert.equal((await bundle.admin("/health?live")).status, 200);
  });

  const shapes = {
    "default.mjs": "a default function",
    "service.mjs": "a default object with a start() that needs its this",
    "start.cjs": "CommonJS",
  };
  for (const [app, what] of Object.entries(shapes)) {
    test(`may be ${what}, and close() is called`, async () => {
      await using bundle = startBundle(started(app));
      await bundle.event("boot.completed");
      bundle.kill("SIGTERM");
      const { code, stdout } = await bundle.exit;
      assert.deepEqual([code, stdout], [0, "started\nclosed\n"]);
    });
  }

  test("may return nothing", async () => {
    await using bundle = startBundle(started("modes.mjs", "nothing"));
    await bundle.event("boot.completed");
    bundle.kill("SIGTERM");
    assert.equal((await bundle.exit).code, 0);
  });

  const failures = {
    throws: /threw while it was starting \(Error\)/,
    "throws-text": /threw while it was starting \(string\)/,
    stuck: /start\(\) of .*modes\.mjs never settled/,
    taken: /EADDRINUSE/,
  };
  for (const [mode, pattern] of Object.entries(failures)) {
    test(`exits 70 when start() ends as '${mode}', and shows no value`, async () => {
      const { code, stderr, events } = await runBundle(started("modes.mjs", mode));
      assert.equal(code, 70, stderr);
      assert.match(stderr, pattern);
      assert.doesNotMatch(stderr, /correct-horse/);
      assert.ok(!events.some(({ event }) => event === "boot.completed"));
    });
  }

  test("without start() exits 70, says what there is, and shows what to write", async () => {
    const { code, stderr } = await runBundle(started("exports.mjs"));
    assert.equal(code, 70);
    assert.match(stderr, /it exports handler, port/);
    assert.match(stderr, /export async function start\(settings, context\)/);
  });
});
