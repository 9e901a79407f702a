/** The package as its users get it. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { isBuiltin } from "node:module";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { makeFolder } from "./folder.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const run = promisify(execFile);

/** What packages in the bundle look for and do without. */
const OPTIONAL = ["@aws-sdk/signature-v4-crt"];

test("an app's settings are typed by its config, and wrong configs do not compile", async () => {
  const tsc = [`${ROOT}node_modules/typescript/bin/tsc`, "-p", `${ROOT}test/fixtures/types/tsconfig.json`];
  await run(process.execPath, tsc).catch(({ stdout }) => assert.fail(stdout));
});

test("the bundle is one file, of at most 700 KB, that runs without node_modules", async () => {
  const bundle = await readFile(`${ROOT}dist/entrypoint.mjs`, "utf8");
  assert.ok(Buffer.byteLength(bundle) <= 700_000, `${Buffer.byteLength(bundle)} bytes`);
  const wanted = [...bundle.matchAll(/\b(?:require|demand)\("([^"]+)"\)/g)].map(([, name = ""]) => name);
  const foreign = wanted.filter((name) => !name.startsWith("./") && !isBuiltin(name));
  assert.deepEqual([...new Set(foreign)], OPTIONAL);
  const alone = makeFolder();
  await writeFile(`${alone}/entrypoint.mjs`, bundle);
  const { stdout } = await run(process.execPath, [`${alone}/entrypoint.mjs`, "version"], { cwd: "/" });
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
