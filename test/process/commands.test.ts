/** The commands beside run: healthcheck, secrets, check, version, help. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { ask, assertRefused, CANARY, ENTRYPOINT, lastLine, runBundle, startBundle } from "./refusal.ts";

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
