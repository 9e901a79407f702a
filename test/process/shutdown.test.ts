/** Leaving, on the real bundle: signals, drain, deadline, errors that nobody caught, stops in mid-boot, and being PID 1. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { suite, test } from "node:test";
import { type Bundle, type BundleOptions, guest, NODES, startBundle } from "./bundle.ts";

const DATABASE_URL = "postgres://shop:correct-horse-battery@db/shop";

function app(name: string, mode = "none", config: object = {}): BundleOptions {
  return {
    config: { settings: { DATABASE_URL: "db/url", PORT: "app/port" }, ...config },
    args: [guest(name), mode],
    secrets: { "db/url": DATABASE_URL, "app/port": "0" },
  };
}

async function ready(options: BundleOptions): Promise<Bundle> {
  const bundle = startBundle(options);
  await bundle.event("boot.completed");
  return bundle;
}

/** The exit, after checking what holds for each. */
async function left(bundle: Bundle) {
  const exit = await bundle.exit;
  assert.equal(bundle.socket(), undefined, "the admin socket is gone");
  assert.ok(!exit.stderr.includes("correct-horse"), exit.stderr);
  return exit;
}

suite("SIGTERM", { concurrency: 4 }, () => {
  for (const { version, path: node } of NODES) {
    for (const mode of ["none", "exit", "textbook"]) {
      test(`lets a running request finish, handlers: ${mode} (Node ${version})`, async () => {
        await using bundle = await ready({ ...app("signals.cjs", mode), node });
        const agent = new Agent({ keepAlive: true });
        const answer = ask(await bundle.port(), "/slow", agent);
        await bundle.output(/slow began/);
        bundle.kill("SIGTERM");
        assert.equal(await answer, "slow");
        const { code, stdout, stderr } = await left(bundle);
        assert.equal(code, 0, stderr);
        assert.equal(stdout.includes("the app was told"), mode !== "none");
        agent.destroy();
      });
    }

    test(`is not held up by connections that have nothing to finish (Node ${version})`, async () => {
      const config = { shutdownTimeout: "4s" };
      await using bundle = await ready({ ...app("signals.cjs", "none", config), node });
      const port = await bundle.port();
      const agent = new Agent({ keepAlive: true });
      await ask(port, "/", agent);
      const fresh = connect(port, "127.0.0.1").on("error", () => {});
      await new Promise((resolve) => fresh.once("connect", resolve));
      bundle.kill("SIGTERM");
      const { code, stderr } = await left(bundle);
      assert.equal(code, 0, stderr);
      fresh.destroy();
      agent.destroy();
    });

    test(`is not held up by a WebSocket, which nobody else would end (Node ${version})`, async () => {
      const config = { shutdownTimeout: "4s" };
      await using bundle = await ready({ ...app("signals.cjs", "none", config), node });
      const socket = await upgrade(await bundle.port());
      bundle.kill("SIGTERM");
      const { code, stderr } = await left(bundle);
      assert.equal(code, 0, stderr);
      socket.destroy();
    });

    test(`is not held up by an idle HTTP/2 session (Node ${version})`, async () => {
      const config = { shutdownTimeout: "4s" };
      await using bundle = await ready({ ...app("http2.mjs", "none", config), node });
      const session = connectHttp2(`http://127.0.0.1:${await bundle.port()}`).on("error", () => {});
      await new Promise((resolve) => session.request().resume().once("end", resolve));
      bundle.kill("SIGTERM");
      const { code, stderr } = await left(bundle);
      assert.equal(code, 0, stderr);
      session.destroy();
    });
  }

  test("makes it not ready at once, and it goes on serving for drainDelay", async () => {
    await using bundle = await ready(app("signals.cjs", "exit", { drainDelay: "20s" }));
    assert.equal((await bundle.admin("/health")).status, 200);
    bundle.kill("SIGTERM");
    await bundle.event("shutdown.started");
    const health = await bundle.admin("/health");
    assert.deepEqual([health.status, JSON.parse(health.text).phase], [503, "stopping"]);
    assert.equal((await bundle.admin("/health?live")).status, 200);
    assert.equal((await bundle.get("/")).text, "ok");
    bundle.kill("SIGTERM");
    assert.ok(!(await left(bundle)).stdout.includes("the app was told"));
  });

  test("reaches the app when drainDelay is over: exit 0", async () => {
    await using bundle = await ready(app("signals.cjs", "exit", { drainDelay: "50ms" }));
    bundle.kill("SIGTERM");
    const { code, stdout } = await left(bundle);
    assert.equal(code, 0);
    assert.match(stdout, /the app was told/);
  });

  test("ends the primary of a cluster, too", async () => {
    const program = `const cluster = require("node:cluster");
      if (cluster.isPrimary) cluster.fork();
      else require("node:http").createServer(() => {}).listen(0);`;
    const files = { "app.cjs": program };
    const config = { app: { wrap: "./app.cjs" }, shutdownTimeout: "4s" };
    await using bundle = await ready({ config, files });
    bundle.kill("SIGTERM");
    assert.equal((await left(bundle)).code, 0);
  });

  for (const [first, second, code] of [
    ["SIGTERM", "SIGTERM", 143],
    ["SIGTERM", "SIGINT", 130],
    ["SIGINT", "SIGTERM", 143],
  ] as const) {
    test(`then ${second} after ${first} exits at once with ${code}`, async () => {
      await using bundle = await ready(app("signals.cjs", "exit", { drainDelay: "20s" }));
      bundle.kill(first);
      await bundle.event("shutdown.started");
      bundle.kill(second);
      assert.equal((await left(bundle)).code, code);
    });
  }
});

suite("a wrapped app's own SIGTERM handler", { concurrency: 4 }, () => {
  test("that ignores the signal leaves the end to shutdownTimeout: exit 70", async () => {
    await using bundle = await ready(app("signals.cjs", "ignores", { shutdownTimeout: "500ms" }));
    bundle.kill("SIGTERM");
    const { code, events } = await left(bundle);
    assert.equal(code, 70);
    assert.match(String(events.at(-1)?.message), /^the app did not close as it should.*SHUTDOWN_FAILED/);
  });

  test("may have more to do after its server has closed", async () => {
    await using bundle = await ready(app("signals.cjs", "lingering"));
    bundle.kill("SIGTERM");
    const { code, stdout } = await left(bundle);
    assert.deepEqual([code, stdout.trim().split("\n").at(-1)], [0, "cleaned up"]);
  });

  test("may work where there is no server at all", async () => {
    const config = { app: { wrap: guest("worker.mjs"), ready: "loaded" }, settings: {} };
    await using bundle = await ready({ config });
    bundle.kill("SIGTERM");
    const { code, stdout } = await left(bundle);
    assert.deepEqual([code, stdout], [0, "waiting for work\nbatch finished\n"]);
  });

  test("may end by sending itself the signal again: exit 0", async () => {
    await using bundle = await ready(app("signals.cjs", "raises"));
    bundle.kill("SIGTERM");
    assert.equal((await left(bundle)).code, 0);
  });

  test("may set the exit code", async () => {
    await using bundle = await ready(app("signals.cjs", "code"));
    bundle.kill("SIGTERM");
    assert.equal((await left(bundle)).code, 4);
  });

  test("that rejects is reported: exit 70", async () => {
    await using bundle = await ready(app("signals.cjs", "rejects"));
    bundle.kill("SIGTERM");
    const { code, events } = await left(bundle);
    assert.equal(code, 70);
    const thrown = events.find(({ event }) => event === "error.thrown");
    assert.equal(thrown?.message, "Error: can't flush to [DATABASE_URL]");
  });
});

suite("an error that nobody caught", { concurrency: 4 }, () => {
  for (const { version, path: node } of NODES) {
    for (const [path, message] of [
      ["/throw", "Error: can't reach [DATABASE_URL]"],
      ["/reject", "Error: rejected by [DATABASE_URL]"],
    ] as const) {
      test(`ends the app with 70, printed once and masked: ${path} (Node ${version})`, async () => {
        await using bundle = await ready({ ...app("fragile.mjs"), node });
        await bundle.get(path).catch(() => {});
        const { code, events } = await left(bundle);
        assert.equal(code, 70);
        const thrown = events.filter(({ event }) => event === "error.thrown");
        assert.deepEqual(
          thrown.map((it) => it.message),
          [message],
        );
        assert.ok(events.some((it) => String(it.message).includes("(APP_CRASHED, exit 70)")));
        assert.ok(events.some(({ event }) => event === "shutdown.completed"));
      });

      test(`is the app's own business when it handles such errors: ${path} (Node ${version})`, async () => {
        await using bundle = await ready({ ...app("fragile.mjs", "handles"), node });
        await bundle.get(path);
        await bundle.output(/the app's own handler: (uncaughtException|unhandledRejection)/);
        assert.equal((await bundle.get("/")).text, "ok");
        bundle.kill("SIGTERM");
        assert.equal((await left(bundle)).code, 0);
      });
    }
  }

  test("is not needed to end: an app whose last server closes is over, exit 0", async () => {
    await using bundle = await ready(app("fragile.mjs"));
    await bundle.get("/end");
    const { code, events } = await left(bundle);
    assert.equal(code, 0);
    assert.equal(events.find(({ event }) => event === "shutdown.started")?.cause, "ended");
  });
});

suite("a library that watches the end of the process", { concurrency: 3 }, () => {
  const server = `
    const server = require("node:http").createServer((_, response) => response.end("ok"));
    server.listen(0, () => console.log("listening on " + server.address().port));`;

  test("and ends it only when nobody else listens, as signal-exit does, still gets its turn: exit 0", async () => {
    const library = `
      process.on("SIGTERM", function leave() {
        if (process.listeners("SIGTERM").length > 1) return console.log("left to others");
        process.removeListener("SIGTERM", leave);
        console.log("cleaned up");
        process.kill(process.pid, "SIGTERM");
      });`;
    const files = { "app.cjs": library + server };
    await using bundle = await ready({ config: { app: { wrap: "./app.cjs" } }, files });
    bundle.kill("SIGTERM");
    const { code, stdout } = await left(bundle);
    assert.equal(code, 0);
    assert.match(stdout, /cleaned up/);
  });

  test("and exits after an error only when nobody else listens, as Sentry does, decides the exit code", async () => {
    const library = `
      process.on("uncaughtException", () => {
        if (process.listeners("uncaughtException").length > 1) return console.log("left to others");
        console.log("reported");
        process.exit(1);
      });`;
    const files = { "app.cjs": `${library}${server} setTimeout(() => { throw new Error("no") }, 50)` };
    await using bundle = await ready({ config: { app: { wrap: "./app.cjs" } }, files });
    const { code, stdout } = await left(bundle);
    assert.equal(code, 1);
    assert.match(stdout, /reported/);
  });

  test("and removes every listener of a signal can't take the stop away", async () => {
    const files = { "app.cjs": `process.removeAllListeners("SIGTERM"); ${server}` };
    await using bundle = await ready({ config: { app: { wrap: "./app.cjs" } }, files });
    bundle.kill("SIGTERM");
    assert.equal((await left(bundle)).code, 0);
  });
});

suite("closing an app with start()", { concurrency: 4 }, () => {
  function start(mode: string, config: object = {}): BundleOptions {
    const settings = { DATABASE_URL: "db/url" };
    return {
      config: { app: guest("modes.mjs"), settings, ...config },
      args: [guest("modes.mjs"), mode],
      secrets: { "db/url": DATABASE_URL },
    };
  }

  test("that never finishes ends at shutdownTimeout: exit 70, and it is named", async () => {
    await using bundle = await ready(start("hangs", { shutdownTimeout: "300ms" }));
    bundle.kill("SIGTERM");
    const { code, events } = await left(bundle);
    assert.equal(code, 70);
    assert.equal(events.find(({ event }) => event === "close.timed_out")?.name, "the app");
    assert.match(String(events.at(-1)?.message), /^the app did not close as it should/);
  });

  test("goes on when a shutdown function fails: exit 70, and it is named", async () => {
    await using bundle = await ready(start("fails-to-close"));
    bundle.kill("SIGTERM");
    const { code, stdout, events } = await left(bundle);
    assert.deepEqual([code, stdout], [70, "still closed\n"]);
    assert.match(String(events.at(-1)?.message), /^flush did not close as it should/);
  });

  test("runs a shutdown function that was registered late after the app's own close, too", async () => {
    await using bundle = await ready(start("late"));
    await bundle.output(/registered/);
    bundle.kill("SIGTERM");
    const { code, stdout } = await left(bundle);
    assert.deepEqual([code, stdout], [0, "registered\nclosed: app\nclosed: late\n"]);
  });

  for (const [signal, code] of [
    ["SIGTERM", 143],
    ["SIGINT", 130],
  ] as const) {
    test(`that is still starting: ${signal} undoes what it has registered, exit ${code}`, async () => {
      await using bundle = startBundle(start("slow"));
      await bundle.output(/still starting/);
      bundle.kill(signal);
      const exit = await left(bundle);
      assert.equal(exit.code, code);
      assert.match(exit.stdout, /undone, aborted: true/);
      assert.equal(exit.events.at(-1)?.event, "boot.stopped");
    });
  }
});

suite("a stop in mid-boot", { concurrency: 4 }, () => {
  const base = `secrets: { test: { provider: "files", directory: ".secrets" } }`;
  const hang = `new Promise((resolve) => setTimeout(resolve, 60_000))`;
  const configs = {
    config: `console.log("hanging"); await ${hang}; export default {};`,
    settings: `const type = { "~standard": { version: 1, vendor: "test", validate: () => { console.log("hanging"); return ${hang}; } } };
      export default { ${base}, app: "./app.mjs", settings: { SLOW: { from: "slow", type } } };`,
  };
  for (const [phase, config] of Object.entries(configs)) {
    test(`is prompt in phase ${phase}: exit 143`, async () => {
      const files = { "sallyport.config.mjs": config, "app.mjs": "" };
      await using bundle = startBundle({ files, secrets: { slow: "value" } });
      await bundle.output(/hanging/);
      bundle.kill("SIGTERM");
      const { code, events } = await left(bundle);
      assert.equal(code, 143);
      assert.equal(events.at(-1)?.phase, phase);
    });
  }

  test("is prompt while a wrapped app does not listen yet: exit 143", async () => {
    const files = { "app.cjs": "console.log('loaded'); setInterval(() => {}, 1000)" };
    await using bundle = startBundle({ config: { app: { wrap: "./app.cjs" } }, files });
    await bundle.output(/loaded/);
    bundle.kill("SIGTERM");
    assert.equal((await left(bundle)).code, 143);
  });
});

const UNSHARE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];
const canUnshare = spawnSync(UNSHARE[0] as string, [...UNSHARE.slice(1), "true"]).status === 0;
const skip = canUnshare ? false : "this user may not make a PID namespace";

suite("as PID 1", { concurrency: 3, skip }, () => {
  async function readyAsPid1(node: string, mode: string) {
    const { config, ...options } = app("signals.cjs", mode);
    const bundle = startBundle({
      ...options,
      config: { ...(config as object), admin: { socket: `admin-${process.pid}-${mode}.sock` } },
      node,
      through: UNSHARE,
    });
    await bundle.event("boot.completed");
    return bundle;
  }

  /** `unshare` itself passes no signal on. */
  function signalChild({ pid }: Bundle, signal: NodeJS.Signals) {
    const child = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8"));
    process.kill(child, signal);
  }

  for (const { version, path: node } of NODES) {
    for (const mode of ["none", "exit", "raises"]) {
      test(`SIGTERM ends it with 0, handlers: ${mode} (Node ${version})`, async () => {
        await using bundle = await readyAsPid1(node, mode);
        const socket = join(bundle.directory, `admin-${process.pid}-${mode}.sock`);
        assert.ok(existsSync(socket));
        signalChild(bundle, "SIGTERM");
        const { code, stderr } = await bundle.exit;
        assert.equal(code, 0, stderr);
        assert.ok(!existsSync(socket));
      });
    }
  }

  test("a second signal exits at once with 143", async () => {
    const { config, ...options } = app("signals.cjs", "ignores");
    await using bundle = await ready({
      ...options,
      config: { ...(config as object), drainDelay: "20s" },
      through: UNSHARE,
    });
    signalChild(bundle, "SIGTERM");
    await bundle.event("shutdown.started");
    signalChild(bundle, "SIGTERM");
    assert.equal((await bundle.exit).code, 143);
  });
});

function upgrade(port: number): Promise<Socket> {
  const headers = { connection: "upgrade", upgrade: "echo" };
  return new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port, headers, agent: false })
      .once("upgrade", (_response, socket) => resolve(socket.on("error", () => {})))
      .once("error", reject)
      .end();
  });
}

function ask(port: number, path: string, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port, path, agent }, async (response) => {
      resolve((await response.setEncoding("utf8").toArray()).join(""));
    })
      .once("error", reject)
      .end();
  });
}
