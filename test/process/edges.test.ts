/** Secrecy and honesty where it is easily lost. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { makeFolder } from "../folder.ts";
import { assertRefused, CANARY, ENTRYPOINT, runBundle, startBundle } from "./refusal.ts";

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
