/** The bundle's own form: parts that are compiled when they are needed, from a cache where there is one. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { makeFolder } from "./folder.ts";
import { guest, NODES, runBundle } from "./process/bundle.ts";

const DIST = fileURLToPath(new URL("../dist/", import.meta.url));
const run = promisify(execFile);

/** Prints, at exit, which parts were compiled, and whether V8 refused their cache (`undefined`: there was none). */
const WITNESS = `data:text/javascript,${encodeURIComponent(`
  const parts = globalThis[Symbol.for("sallyport.compiled")] = new Map();
  process.on("exit", () => {
    const found = [...parts].map(([name, script]) => [name, script.cachedDataRejected ?? "none"]);
    console.log(JSON.stringify(Object.fromEntries(found)));
  });
`)}`;

async function partsOf(entrypoint: string, command: string, node: string): Promise<Record<string, unknown>> {
  const { stdout } = await run(node, ["--import", WITNESS, entrypoint, command], { cwd: "/" }).catch(
    (error) => error as { stdout: string },
  );
  return JSON.parse(stdout.trimEnd().split("\n").at(-1) as string);
}

function copyBundle(): string {
  const folder = makeFolder();
  copyFileSync(`${DIST}entrypoint.mjs`, `${folder}/entrypoint.mjs`);
  return `${folder}/entrypoint.mjs`;
}

async function bake(node: string): Promise<string> {
  const folder = makeFolder();
  await run(node, [`${DIST}bake.mjs`, `${DIST}entrypoint.mjs`, folder]);
  return `${folder}/entrypoint.mjs`;
}

for (const { version, path: node } of NODES) {
  test(`a command compiles what it needs and no more, on Node ${version}`, async () => {
    const entrypoint = copyBundle();
    assert.deepEqual(await partsOf(entrypoint, "version", node), {
      edge: "none",
      boot: "none",
      version: "none",
    });
    const probed = await partsOf(entrypoint, "healthcheck", node);
    assert.deepEqual(Object.keys(probed).slice(0, 1), ["edge"]);
    assert.ok(!("aws" in probed));
  });

  test(`what bake.mjs makes of the bundle has nothing to compile, on Node ${version}`, async () => {
    const entrypoint = await bake(node);
    const files = readdirSync(`${entrypoint}.parts`);
    for (const part of ["edge", "boot", "aws", "files", "infisical"])
      assert.ok(files.includes(`${part}.cache`), `${part}.cache is not in ${files}`);
    assert.ok(statSync(entrypoint).size < 20_000, "the parts are not in the file that Node scans");
    assert.deepEqual(await partsOf(entrypoint, "help", node), { edge: false, boot: false });
    assert.deepEqual(await partsOf(entrypoint, "version", node), {
      edge: false,
      boot: false,
      version: "none",
    });
  });
}

for (const { version, path: node } of NODES) {
  test(`an app is imported without a word of Node's own, on Node ${version}`, async () => {
    const files = { "app.mjs": "export const start = () => {};" };
    const { code, stderr } = await runBundle({ config: { app: "./app.mjs" }, files, node });
    assert.equal(code, 0, stderr);
    const others = stderr.split("\n").filter((line) => line && !line.startsWith('{"time"'));
    assert.deepEqual(others, []);
  });
}

test("a cache of another Node or a broken one is no obstacle", async () => {
  const entrypoint = await bake(NODES[0].path);
  writeFileSync(`${entrypoint}.parts/boot.cache`, "not what V8 has written");
  const { stdout } = await run(NODES[2].path, [entrypoint, "help"]);
  assert.match(stdout, /healthcheck/);
});

test("without its parts, a baked bundle says what is missing", async () => {
  const entrypoint = await bake(NODES[0].path);
  rmSync(`${entrypoint}.parts`, { recursive: true });
  const failed = await run(NODES[0].path, [entrypoint, "help"]).catch((error) => error);
  assert.equal(failed.code, 78);
  assert.match(failed.stderr, /entrypoint\.mjs\.parts\/ is missing: copy all of the folder/);
});

test("a whole bundle that has come to lie beside older parts takes its own", async () => {
  const entrypoint = await bake(NODES[0].path);
  copyFileSync(`${DIST}entrypoint.mjs`, entrypoint);
  writeFileSync(`${entrypoint}.parts/boot`, "older");
  assert.deepEqual(await partsOf(entrypoint, "help", NODES[0].path), { edge: "none", boot: "none" });
});

test("parts of another version are refused by name", async () => {
  const entrypoint = await bake(NODES[0].path);
  writeFileSync(`${entrypoint}.parts/boot`, "older");
  const failed = await run(NODES[0].path, [entrypoint, "help"]).catch((error) => error);
  assert.match(failed.stderr, /parts\/boot is of another version; copy all of the folder/);
});

test("with --enable-source-maps a stack names the source, not the bundle", async () => {
  const { stderr } = await runBundle({
    config: { app: guest("throws.mjs") },
    nodeOptions: ["--enable-source-maps"],
  });
  assert.match(stderr, /entrypoint\/app\/start\.ts:\d+:\d+/);
});
