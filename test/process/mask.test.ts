/** The mask on the real bundle: every way out of a process, and what Node prints by itself. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { guest, NODES, runBundle, startBundle } from "./bundle.ts";
import { canary } from "./canaries.ts";

const settings = { SECRET: "app/secret" };

/** What node:child_process calls a pipe is a socket, which can't be opened by the name /dev/stdout. */
const TARGETS = {
  pipe: ["bash", "-o", "pipefail", "-c", '"$@" 2> >(cat >&2) | cat', "bash"],
  file: ["sh", "-c", '"$@" >>out.txt 2>>err.txt; code=$?; cat out.txt; cat err.txt >&2; exit $code', "sh"],
};

suite("a value that the app prints is blanked out", { concurrency: 2 }, () => {
  for (const { version, path: node } of NODES) {
    for (const [target, through] of Object.entries(TARGETS)) {
      test(`whichever way it takes to a ${target} (Node ${version})`, async () => {
        const config = { app: guest("leaks.mjs"), settings };
        const exit = await runBundle({ config, secrets: { "app/secret": canary() }, node, through });
        assert.equal(exit.code, 0, exit.stderr);
        const out = exit.stdout + exit.stderr;
        for (const way of WAYS) assert.match(out, new RegExp(`${way}.*\\[SECRET\\]`), way);
        assert.match(exit.stdout, /all leaked/);
        const told = exit.events.filter(({ event }) => event === "secret.masked");
        assert.deepEqual(
          told.map(({ name }) => name),
          ["SECRET"],
          "told once",
        );
      });
    }
  }
});

const WAYS = [
  ...["console \\[", "console.error", "stream ", "stream, bytes", "cut ", "corked "],
  ...[
    "writeSync, text",
    "writeSync, bytes",
    "writevSync",
    "writeFileSync",
    "appendFileSync",
    "by name",
    "by a link's name",
    "by an odd name",
    "opened",
  ],
  ...["write, text", "write, bytes", "writev ", "writeFile ", "file stream ", "file stream by name"],
  ...[
    "emitWarning",
    "_rawDebug",
    "worker",
    "worker's stderr",
    "worker's writeSync",
    "worker's halves",
    "transport",
    '"msg":"pino',
    "url",
    "base64",
  ],
];

test("a thread that runs already blanks out what a refresh brings", async () => {
  const app = `import { Worker } from "node:worker_threads";
    export function start(settings, context) {
      const code = 'const { parentPort } = require("node:worker_threads"); ' +
        'parentPort.on("message", (text) => require("node:fs").writeSync(1, "thread " + text + "\\\\n"));';
      const thread = new Worker(code, { eval: true });
      context.onRefresh(() => setTimeout(() => thread.postMessage(settings.SECRET), 100));
      setInterval(() => {}, 1000);
    }`;
  await using bundle = startBundle({
    config: { app: "./app.mjs", settings: { SECRET: "secret" } },
    secrets: { secret: "the-first-secret-value" },
    files: { "app.mjs": app },
  });
  await bundle.event("boot.completed");
  bundle.put({ secret: "quite-another-secret-value" });
  await bundle.admin("/secrets/refresh", "POST");
  await bundle.output(/thread \[SECRET\]/);
});

suite("what the app writes otherwise stays as it is", () => {
  test("bit by bit, and in its order", async () => {
    const app = `import { createHash, randomBytes } from "node:crypto"; import { writeSync } from "node:fs";
      export function start() {
        const all = createHash("sha256");
        for (let index = 0; index < 300; index++) {
          const bytes = randomBytes(1 + index * 40);
          all.update(bytes);
          if (index % 3 === 0) process.stdout.write(bytes);
          else if (index % 3 === 1) process.stdout.write(bytes.toString("base64"), "base64");
          else writeSync(1, bytes);
        }
        console.error("sum " + all.digest("hex"));
      }`;
    const script = '"$@" >out.bin 2>err.txt; cat err.txt >&2; sha256sum out.bin';
    const exit = await runBundle({
      config: { app: "./app.mjs", settings },
      secrets: { "app/secret": canary() },
      files: { "app.mjs": app },
      through: ["sh", "-c", script, "sh"],
    });
    const [, expected] = /^sum (\w+)$/m.exec(exit.stderr) ?? [];
    assert.equal(exit.stdout.split(" ")[0], expected, exit.stderr);
  });

  test("callbacks come, and write says when to wait", async () => {
    const app = `export async function start(settings) {
        const { stdout } = process;
        const order = [];
        for (const text of ["a\\n", settings.SECRET + "\\n", settings.SECRET.slice(0, 4), "\\n"])
          await new Promise((resolve) => stdout.write(text, () => resolve(order.push(text.length))));
        const before = stdout.writableLength;
        console.error(JSON.stringify({ order, before, isSame: stdout.write === stdout.constructor.prototype.write }));
        console.error("drain " + [stdout.write("x".repeat(1 << 20)), stdout.writableNeedDrain]);
      }`;
    const secret = canary();
    const exit = await runBundle({
      config: { app: "./app.mjs", settings },
      secrets: { "app/secret": secret },
      files: { "app.mjs": app },
    });
    assert.match(
      exit.stderr,
      new RegExp(`{"order":\\[2,${secret.length + 1},4,1\\],"before":0,"isSame":true}`),
    );
    assert.match(exit.stderr, /drain (true,false|false,true)/);
    assert.ok(exit.stdout.startsWith(`a\n[SECRET]\n${secret.slice(0, 4)}\nxxx`), exit.stdout.slice(0, 100));
  });
});

test("a beginning that stays one comes out when the app ends its stdout, or the process", async () => {
  for (const end of ["process.stdout.end();", "process.exit(0);", ""]) {
    const app = `export function start(settings) { process.stdout.write("tail " + settings.SECRET.slice(0, 7)); ${end} }`;
    const secret = canary();
    const exit = await runBundle({
      config: { app: "./app.mjs", settings },
      secrets: { "app/secret": secret },
      files: { "app.mjs": app },
    });
    assert.equal(exit.stdout, `tail ${secret.slice(0, 7)}`, end);
  }
});

test("what an exit listener writes comes whole, and what it leaks is told", async () => {
  const app = `import { writeSync } from "node:fs";
    export function start({ SECRET }) {
      process.on("exit", () => {
        process.stdout.write("bye " + SECRET.slice(0, 4));
        writeSync(1, " and " + SECRET.slice(0, 3));
        process.stderr.write("late " + SECRET);
      });
    }`;
  const secret = canary();
  const exit = await runBundle({
    config: { app: "./app.mjs", settings },
    secrets: { "app/secret": secret },
    files: { "app.mjs": app },
  });
  assert.equal(exit.stdout, `bye ${secret.slice(0, 4)} and ${secret.slice(0, 3)}`);
  assert.match(exit.stderr, /late \[SECRET\]/);
  assert.match(exit.stderr, /secret\.masked/);
});

suite("what Node prints by itself", { concurrency: 2 }, () => {
  const quoting = "new Error('at ' + settings.SECRET, { cause: settings.SECRET })";
  const endings = {
    "a handler of the app's that throws itself": `process.on("uncaughtException", () => { throw ${quoting}; });
      setImmediate(() => { throw new Error("first"); });`,
    "an error after all handlers were taken away": `process.removeAllListeners("uncaughtException");
      setImmediate(() => { throw ${quoting}; });`,
    "a capture callback that throws": `process.setUncaughtExceptionCaptureCallback((error) => { throw error; });
      setImmediate(() => { throw ${quoting}; });`,
    "a monitor that throws": `process.on("uncaughtExceptionMonitor", () => { throw ${quoting}; });
      setImmediate(() => { throw new Error("first"); });`,
    "an exit listener that throws": `process.on("exit", () => { throw ${quoting}; });
      setImmediate(() => process.exit(0));`,
    "an exit listener that throws when the app has ended": `process.on("exit", () => { throw ${quoting}; }); process.exitCode = 0;
      setTimeout(() => process.kill(process.pid, "SIGTERM"), 50);`,
    "an unhandled rejection": `Promise.reject(${quoting});`,
    "an uncaught error": `setImmediate(() => { throw ${quoting}; });`,
  };
  for (const { version, path: node } of NODES) {
    for (const [what, code] of Object.entries(endings)) {
      test(`about ${what} is masked, and ends with 70 (Node ${version})`, async () => {
        const app = `export function start(settings) { setInterval(() => {}, 1_000); ${code} }`;
        const exit = await runBundle({
          config: { app: "./app.mjs", settings },
          secrets: { "app/secret": canary() },
          files: { "app.mjs": app },
          node,
          nodeOptions: ["--trace-uncaught"],
        });
        assert.equal(exit.code, 70, exit.stderr);
        assert.match(exit.stderr, /at \[SECRET\]/);
        assert.match(exit.stderr, /APP_CRASHED|APP_FAILED/);
        assert.doesNotMatch(exit.stderr, /^Node\.js v|^\s+at /m, "nothing was printed natively");
      });
    }
  }
});

suite("the incident that every team has had", () => {
  test("console.log(process.env) shows nothing of the settings, and is told where a copy lies in it", async () => {
    const app = `process.env.DATABASE_URL_COPY = process.env.SECRET; // as some library does
      console.log(process.env);
      console.log({ ...process.env });`;
    await using bundle = startBundle({
      config: { app: { wrap: "./app.cjs", ready: "loaded" }, settings, guard: "warn" },
      secrets: { "app/secret": canary() },
      files: { "app.cjs": app },
    });
    const { code, stdout, events } = await bundle.exit;
    assert.equal(code, 0);
    assert.equal(stdout.match(/DATABASE_URL_COPY: .\[SECRET\]/g)?.length, 2);
    assert.doesNotMatch(stdout, /^ {2}SECRET:/m);
    assert.equal(
      events.filter(({ event, name }) => event === "secret.masked" && name === "SECRET").length,
      1,
    );
  });

  test("logger.debug({ config: settings }) shows names, and a copy of a value is told", async () => {
    const app = `import { createRequire } from "node:module";
      const pino = createRequire(${JSON.stringify(import.meta.url)})("pino");
      export function start(settings) {
        const logger = pino({ level: "debug" });
        logger.debug({ config: settings });
        console.error("so far so good");
        logger.debug({ config: { ...settings, url: settings.SECRET } });
      }`;
    const { code, stdout, stderr, events } = await runBundle({
      config: { app: "./app.mjs", settings },
      secrets: { "app/secret": canary() },
      files: { "app.mjs": app },
    });
    assert.equal(code, 0, stderr);
    const lines = stdout.split("\n").filter(Boolean);
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).config),
      [{ SECRET: "[secret]" }, { url: "[SECRET]" }],
    );
    assert.equal(events.filter(({ event }) => event === "secret.masked").length, 1);
    assert.match(
      stderr,
      /so far so good\n[\s\S]*secret\.masked/,
      "nothing is told before there is something to tell",
    );
  });
});

test("after a refresh the old value and the new one are blanked out, and the status counts and names them", async () => {
  const [before, after] = [canary(), canary()];
  const app = `export function start(settings) {
    const first = settings.SECRET;
    setInterval(() => console.log(settings.SECRET === first ? "still" : "changed", first, settings.SECRET), 10);
  }`;
  await using bundle = startBundle({
    config: { app: "./app.mjs", settings: { ...settings, LEVEL: "app/level" } },
    secrets: { "app/secret": before, "app/level": "debug" },
    canaries: [after],
    files: { "app.mjs": app },
  });
  await bundle.output(/^still \[SECRET\] \[SECRET\]$/m);
  writeFileSync(join(bundle.directory, ".secrets/app/secret"), after);
  assert.equal((await bundle.admin("/secrets/refresh", "POST")).status, 200);
  await bundle.output(/^changed \[SECRET\] \[SECRET\]$/m);
  const { mask } = JSON.parse((await bundle.admin("/secrets/status")).text);
  assert.ok(mask.hits.SECRET >= 4, JSON.stringify(mask));
  assert.deepEqual(mask.unmasked, ["LEVEL"]);
  assert.equal(bundle.events.filter(({ event }) => event === "secret.masked").length, 1);
});
