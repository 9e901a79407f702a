import assert from "node:assert/strict";
import { test } from "node:test";
import { HELP, parseCommand } from "../entrypoint/cli.ts";

const parse = (line: string) => parseCommand(line.split(" ").filter(Boolean));

test("without a command it runs, with or without an app", () => {
  assert.deepEqual(parse(""), { name: "run", config: undefined, app: undefined, args: [] });
  assert.deepEqual(parse("run"), { name: "run", config: undefined, app: undefined, args: [] });
  assert.deepEqual(parse("./server.js"), { name: "run", config: undefined, app: "./server.js", args: [] });
  assert.deepEqual(parse("run server"), { name: "run", config: undefined, app: "server", args: [] });
});

test("what follows the app is the app's, flags too", () => {
  assert.deepEqual(parse("--config a.json dist/server.js --config b --help -x"), {
    name: "run",
    config: "a.json",
    app: "dist/server.js",
    args: ["--config", "b", "--help", "-x"],
  });
});

test("the CMD of an existing image works as it is", () => {
  assert.deepEqual(parse("node server.js --port 1"), {
    name: "run",
    config: undefined,
    app: "server.js",
    args: ["--port", "1"],
  });
  assert.throws(() => parse("node --inspect server.js"), {
    code: "USAGE_INVALID",
    message: /put it into the ENTRYPOINT/,
  });
});

test("flags are known by their command", () => {
  assert.deepEqual(parse("healthcheck --live"), { name: "healthcheck", config: undefined, live: true });
  assert.deepEqual(parse("check --json --config=c.json"), {
    name: "check",
    config: "c.json",
    json: true,
    writeSchema: false,
  });
  assert.deepEqual(parse("secrets health --json"), {
    name: "secrets",
    config: undefined,
    json: true,
    action: "health",
  });
  assert.deepEqual(parse("version"), { name: "version" });
  for (const line of ["help", "--help", "-h", "check --help", "run -h"])
    assert.deepEqual(parse(line), { name: "help" });
});

const mistakes = {
  helthcheck: /unknown command 'helthcheck'; did you mean 'healthcheck'\?/,
  frobnicate: /unknown command 'frobnicate'; allowed: run, healthcheck, check/,
  "healthcheck --alive": /unknown flag '--alive' of 'healthcheck'; did you mean '--live'\?/,
  "check now": /'check' takes no word, but 'now' follows it/,
  secrets: /'secrets' needs a word: health/,
  "secrets heath": /did you mean 'health'\?/,
  "secrets health now": /takes no word/,
  "--config": /--config needs a file/,
  "check --config": /--config needs a file/,
  "check --json=1": /--json takes no value/,
  "--cofnig x": /did you mean '--config'\?/,
};

for (const [line, message] of Object.entries(mistakes)) {
  test(`'${line}' is refused with what would be right`, () => {
    assert.throws(() => parse(line), { code: "USAGE_INVALID", exitCode: 64, message });
  });
}

test("help names every command", () => {
  for (const name of [
    "run",
    "healthcheck",
    "check",
    "secrets health",
    "secrets status",
    "secrets refresh",
    "version",
    "help",
    "--config",
  ])
    assert.ok(HELP.includes(name));
});
