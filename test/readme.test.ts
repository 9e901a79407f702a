/** What the README says about codes, commands, keys and packages is what the source says. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { test } from "node:test";
import { HELP } from "../entrypoint/cli.ts";
import { loadConfig } from "../entrypoint/config/config.ts";
import { CODES } from "../entrypoint/errors.ts";
import { makeFolder } from "./folder.ts";

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");
const README = read("README.md");

/** The cells of the table below a heading. */
function table(heading: string): string[][] {
  const section = README.split(/^#+ /m).find((part) => part.startsWith(`${heading}\n`));
  assert.ok(section, `no section '${heading}'`);
  const rows = section.split("\n").filter((line) => line.startsWith("|"));
  return rows.slice(2).map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

test("every error code is there, with its exit or status and its meaning, and no other", () => {
  const expected = Object.entries(CODES).map(([code, entry]) => [
    `\`${code}\``,
    "exit" in entry ? `exit ${entry.exit}` : `HTTP ${entry.status}`,
    entry.meaning,
  ]);
  assert.deepEqual(table("Error codes"), expected);
});

test("every exit code is there", () => {
  const exits = Object.values(CODES).flatMap((entry) => ("exit" in entry ? [String(entry.exit)] : []));
  assert.deepEqual(
    table("Exit codes").map(([exit]) => exit),
    [...new Set(["0", ...exits, "128+n"])].sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10)),
  );
});

test("every command is there", () => {
  const words = (text: string) =>
    [...text.matchAll(/node entrypoint\.mjs (\[run\]|\w+)/g)].map(([, word]) => word);
  const commands = README.slice(README.indexOf("## Commands"), README.indexOf("## Asking"));
  assert.deepEqual([...words(commands), "help"], words(HELP));
});

test("every key of the config is there", () => {
  const { properties } = JSON.parse(read("config.schema.json"));
  const keys = (heading: string) => table(heading).map(([key]) => key?.replaceAll("`", ""));
  assert.deepEqual(
    keys("Configuration"),
    Object.keys(properties).filter((key) => key !== "$schema"),
  );
  const [, declaration] = properties.settings.additionalProperties.anyOf;
  assert.deepEqual(keys("Settings"), Object.keys(declaration.properties));
  const providers = properties.secrets.additionalProperties.oneOf;
  assert.deepEqual(
    keys("Providers"),
    providers.map((it: { properties: { provider: { const: string } } }) => it.properties.provider.const),
  );
});

test("every package is there", () => {
  const { devDependencies, dependencies } = JSON.parse(read("package.json"));
  assert.equal(dependencies, undefined);
  const section = README.slice(README.indexOf("## Dependencies"), README.indexOf("## The house"));
  const named = new Set([...section.matchAll(/`([@\w/.-]+)`/g)].map(([, name]) => name));
  assert.deepEqual(
    Object.keys(devDependencies).filter((name) => !named.has(name)),
    [],
  );
});

test("the config in the README is one", async () => {
  const [json] = /(?<=```json\n)[\s\S]*?(?=```)/.exec(README) ?? [];
  const cwd = makeFolder();
  await writeFile(`${cwd}/sallyport.config.json`, json ?? "");
  await writeFile(`${cwd}/server.js`, "");
  const config = await loadConfig({ cwd, file: undefined, app: undefined, environment: "production" });
  assert.deepEqual(
    config.settings.map(({ name }) => name),
    ["DATABASE_URL", "PORT"],
  );
});
