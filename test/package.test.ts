/** The package as its users get it. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const run = promisify(execFile);

test("an app's settings are typed by its config, and wrong configs do not compile", async () => {
  const tsc = [`${ROOT}node_modules/typescript/bin/tsc`, "-p", `${ROOT}test/fixtures/types/tsconfig.json`];
  await run(process.execPath, tsc).catch(({ stdout }) => assert.fail(stdout));
});

test("the bundle is one file, of at most 700 KB, that runs without node_modules", async () => {
  const bundle = await readFile(`${ROOT}dist/entrypoint.mjs`, "utf8");
  assert.ok(bundle.length <= 700_000, `${bundle.length} bytes`);
  const foreign = [...bundle.matchAll(/\bfrom\s*"([^"]+)"/g)]
    .map(([, name = ""]) => name)
    .filter((name) => !name.startsWith("node:"));
  assert.deepEqual(
    [...new Set(foreign)].filter((name) => /^[./@]/.test(name)),
    [],
  );
  const { stdout } = await run(process.execPath, [`${ROOT}dist/entrypoint.mjs`, "version"], { cwd: "/" });
  assert.match(stdout, /^sallyport /);
});

test("what is published is what the manifest promises", async () => {
  const { stdout } = await run("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: ROOT });
  const [{ files }] = JSON.parse(stdout.slice(stdout.indexOf("["))) as [{ files: { path: string }[] }];
  const paths = files.map(({ path }) => path);
  const { exports, bin } = JSON.parse(await readFile(`${ROOT}package.json`, "utf8"));
  const promised = [
    exports["."].types,
    exports["."].default,
    exports["./entrypoint.mjs"],
    exports["./config.schema.json"],
    bin.sallyport,
  ];
  for (const path of promised) assert.ok(paths.includes(path.slice(2)), path);
  assert.deepEqual(
    paths.filter((path) => /^(entrypoint|test|docker)\//.test(path)),
    [],
  );
});
