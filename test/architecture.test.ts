/** The doors of the house: who may import whom, and how large a file may grow. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { VERSION } from "../entrypoint/version.ts";

const HOUSE = fileURLToPath(new URL("../entrypoint/", import.meta.url));
const GROUND_FLOOR = [
  "abort",
  "duration",
  "errors",
  "failure",
  "http",
  "issues",
  "log",
  "regular-file",
  "retry",
  "secret",
  "socket-path",
  "suggestion",
  "told-error",
];
/** Vendor code lives behind the front file of its room. */
const VENDORS = ["provider/aws/", "provider/infisical/", "provider/files.ts"];
const DIALECTS = ["postgres.ts", "mysql.ts", "sqlite.ts"].flatMap((file) => [
  `database/${file}`,
  `migrate/${file}`,
  `schema/${file}`,
]);
const FRONTS = ["provider/provider.ts", "database/database.ts", "migrate/books.ts", "schema/schema.ts"];

interface Import {
  readonly from: string;
  /** Relative to the house, or a package's name. */
  readonly to: string;
  readonly typeOnly: boolean;
  readonly lazy: boolean;
}

const files = globSync("**/*.ts", { cwd: HOUSE }).map((file) => ({
  file,
  text: readFileSync(join(HOUSE, file), "utf8"),
}));
const imports = files.flatMap(({ file, text }) => importsOf(file, text));

function importsOf(from: string, text: string): Import[] {
  const code = text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  const statement =
    /^(?:import|export)\s+(type\s+)?(\{[^}]*\}|\*(?:\s+as\s+\w+)?|\w+(?:,\s*\{[^}]*\})?)\s+from\s+"([^"]+)"/gm;
  const eager = [...code.matchAll(statement)].map(([, type, names = "", to = ""]) => ({
    to,
    typeOnly: type !== undefined || isTypesOnly(names),
    lazy: false,
  }));
  const lazy = [...code.matchAll(/\bimport\("([^"]+)"\)/g)].map(([, to = ""]) => ({
    to,
    typeOnly: false,
    lazy: true,
  }));
  return [...eager, ...lazy].map((it) => ({
    from,
    ...it,
    to: it.to.startsWith(".") ? normalize(join(dirname(from), it.to)) : it.to,
  }));
}

/** `{ type A, type B }` */
function isTypesOnly(names: string): boolean {
  const each = names
    .replace(/[{}]/g, "")
    .split(",")
    .filter((name) => name.trim());
  return names.startsWith("{") && each.every((name) => /^\s*type\s/.test(name));
}

const roomOf = (file: string) => (file.includes("/") ? file.split("/")[0] : undefined);
const isOurs = ({ to }: Import) => to.endsWith(".ts");
const isGround = (file: string) => GROUND_FLOOR.some((name) => file === `${name}.ts`);
const told = (found: readonly Import[]) => found.map(({ from, to }) => `${from} → ${to}`);

test("the parser of this test sees the imports", () => {
  assert.ok(imports.length > 100);
  assert.ok(imports.some(({ from, to, lazy }) => from === "main.ts" && to === "run.ts" && lazy));
  assert.ok(
    imports.some(
      ({ from, to, typeOnly }) => from === "load.ts" && to === "provider/secret-provider.ts" && typeOnly,
    ),
  );
});

test("nobody imports the process edge, and nobody but the corridor the corridor", () => {
  const corridor =
    /^(main|run|check|boot|load|prepare|migrations|doors|rotation|login|step|surroundings)\.ts$/;
  const edge = imports.filter(
    ({ from, to, typeOnly }) => corridor.test(to) && !typeOnly && !corridor.test(from),
  );
  assert.deepEqual(told(imports.filter(({ to }) => to === "main.ts")), []);
  assert.deepEqual(told(edge), []);
});

test("the edge loads its commands lazily", () => {
  const eager = imports.filter(
    ({ from, lazy, typeOnly, to }) => from === "main.ts" && isOurs({ to } as Import) && !lazy && !typeOnly,
  );
  assert.deepEqual(told(eager), ["main.ts → socket-path.ts"]);
});

test("rooms have no doors to one another, only types pass", () => {
  const through = imports.filter(
    ({ from, to, typeOnly }) =>
      to.endsWith(".ts") && roomOf(from) && roomOf(from) !== roomOf(to) && !isGround(to) && !typeOnly,
  );
  assert.deepEqual(told(through), []);
});

test("the ground floor stands on itself", () => {
  const up = imports.filter((it) => isGround(it.from) && isOurs(it) && !isGround(it.to));
  assert.deepEqual(told(up), []);
});

test("a vendor is known to its room's front file alone, which loads it lazily", () => {
  const found = imports.filter(({ from, to, lazy, typeOnly }) => {
    const vendor = [...VENDORS, ...DIALECTS].find((prefix) => to.startsWith(prefix));
    return vendor && !from.startsWith(vendor) && !typeOnly && !(FRONTS.includes(from) && lazy);
  });
  assert.deepEqual(told(found), []);
});

test("packages are imported where the README says", () => {
  const packages = imports.filter((it) => !isOurs(it) && !it.to.startsWith("node:"));
  const uses = new Map<string, Set<string>>();
  for (const { from, to } of packages) uses.set(to, (uses.get(to) ?? new Set()).add(roomOf(from) ?? from));
  assert.deepEqual(
    Object.fromEntries([...uses].map(([name, rooms]) => [name, [...rooms].sort().join(" ")]).sort()),
    {
      "@aws-sdk/client-secrets-manager": "provider",
      "@aws-sdk/credential-providers": "provider",
      "@aws-sdk/types": "provider",
      leven: "suggestion.ts",
      mysql2: "database",
      "p-map": "provider",
      pg: "database",
      "zod/mini": "config issues.ts provider schema",
    },
  );
});

test("builtins are named with node:", () => {
  assert.deepEqual(
    told(imports.filter(({ to }) => builtinModules.includes(to) && !to.startsWith("node:"))),
    [],
  );
});

test("there are no circles", () => {
  const edges = new Map<string, string[]>();
  for (const it of imports.filter(isOurs)) edges.set(it.from, [...(edges.get(it.from) ?? []), it.to]);
  const walk = (file: string, path: readonly string[]): void => {
    assert.ok(!path.includes(file), [...path, file].join(" → "));
    for (const next of edges.get(file) ?? []) walk(next, [...path, file]);
  };
  for (const { file } of files) walk(file, []);
});

test("only the edge and the app's room touch the process's own world; only the log writes", () => {
  const strip = (text: string) => text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
  const touching = files
    .filter(({ text }) => /\bprocess\.(exit|env|argv)\b(?!Code)/.test(strip(text)))
    .map(({ file }) => file);
  assert.deepEqual(
    touching.filter((file) => file !== "main.ts" && roomOf(file) !== "app"),
    [],
  );
  assert.deepEqual(
    files.filter(({ text }) => /\bconsole\./.test(strip(text))).map(({ file }) => file),
    [],
  );
});

test("every file says in its first line what it is, and none is longer than 250 lines", () => {
  for (const { file, text } of files) {
    assert.match(text, /^\/\*\* [^\n]+/, file);
    assert.ok(text.split("\n").length <= 251, `${file} is a room asking to be divided`);
  }
});

test("no file is named for being left over", () => {
  const left = files.filter(({ file }) => /(^|\/)(index|utils?|helpers?|common|misc)\b/.test(file));
  assert.deepEqual(
    left.map(({ file }) => file),
    [],
  );
});

test("the version is package.json's", () => {
  const { version } = JSON.parse(readFileSync(join(HOUSE, "../package.json"), "utf8"));
  assert.equal(VERSION, version);
});
