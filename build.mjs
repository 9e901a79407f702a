// Builds what is published: one file for the image, the typed package entry, and the JSON Schema for editors.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { basename } from "node:path";
import { build, transform } from "esbuild";

const quiet = process.argv.includes("--quiet");
const target = "node22.19";
const shared = { bundle: true, platform: "node", format: "esm", target, logLevel: "warning", outdir: "dist" };
// Every part of the entrypoint is one line, which a template with a line break in it would not be.
const compact = { minify: true, supported: { "template-literal": false }, sourcesContent: false };

/**
 * The parts of `entrypoint.mjs`: what is needed together is compiled together. What is imported lazily and is not named here
 * (a dialect, a rare kind of login) is a part of its own. What several of them need is in the first of these, so small ones come first.
 */
const PARTS = {
  edge: ["entrypoint/main.ts", "entrypoint/healthcheck.ts"],
  boot: ["run", "cli", "guard/mask", "guard/output", "status", "shutdown", "log"].map(
    (module) => `entrypoint/${module}.ts`,
  ),
  files: ["entrypoint/provider/files.ts"],
  infisical: ["entrypoint/provider/infisical/infisical.ts"],
  aws: ["entrypoint/provider/aws/aws.ts", "node_modules/@aws-sdk/credential-provider-http/dist-es/index.js"],
  database: ["entrypoint/prepare.ts", "entrypoint/login.ts"],
};

/** What the AWS SDK brings along and never uses here, and what stands in its place. */
const LEFT_OUT = [
  // A parser of browsers' names.
  [/\/bowser\/\w+\.\w+$/, "export default {};"],
  // A checksum that loads `node:zlib`.
  [/\/Crc32Node\.js$/, 'export { Crc32Js as Crc32Node } from "./Crc32Js.js";'],
  // Answers in parts, which Secrets Manager does not give.
  [/\/@smithy\/core\/dist-es\/submodules\/event-streams\/index\.js$/, "export {};"],
  // Logins of people in browsers.
  [
    /\/credential-provider-cognito-identity\/dist-es\/index\.js$/,
    "export let fromCognitoIdentity, fromCognitoIdentityPool;",
  ],
];

await rm("dist", { recursive: true, force: true });
mkdirSync("dist");
const chunks = await bundleEntrypoint();
await writeEntrypoint(divide(chunks));
copyFileSync("docker/bake.mjs", "dist/bake.mjs");

await build({
  ...shared,
  entryPoints: { sallyport: "entrypoint/sallyport.ts", migrators: "entrypoint/migrators/migrators.ts" },
  outExtension: { ".js": ".mjs" },
});

// The checkout's own compiler, run by the Node that runs this.
execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.types.json"], {
  stdio: "inherit",
});

const { jsonSchema } = await import("./entrypoint/config/schema.ts");
const { expectationsJsonSchema } = await import("./entrypoint/schema/schema.ts");
const schemas = { "config.schema.json": jsonSchema(), "expect.schema.json": expectationsJsonSchema() };
for (const [file, schema] of Object.entries(schemas))
  writeFileSync(file, `${JSON.stringify(schema, null, 2)}\n`);

/** All that `main.ts` leads to. Each lazy import begins a chunk; what several of them share is one, too. */
async function bundleEntrypoint() {
  const { outputFiles, metafile } = await build({
    ...shared,
    ...compact,
    entryPoints: ["entrypoint/main.ts"],
    splitting: true,
    // The ES builds of the AWS SDK can be shaken, its CommonJS builds can't.
    mainFields: ["module", "main"],
    // The SDK asks whether an answer is one, which loads the Web's streams. What comes from `node:http` never is.
    // Node's own clock for this loads eight modules; `unpack` has one.
    define: { ReadableStream: "undefined", "performance.now": "now" },
    plugins: [{ name: "adapt-sources", setup: adaptSources }],
    sourcemap: "inline",
    legalComments: "none",
    metafile: true,
    write: false,
  });
  const sizes = sizesOf(Object.values(metafile.outputs));
  writeFileSync("dist/sizes.json", JSON.stringify(sizes, null, 2));
  writeFileSync("dist/entrypoint.mjs.LEGAL.txt", licensesOf(Object.keys(sizes)));
  const textOf = (path) => outputFiles.find((file) => file.path.endsWith(`/${path}`)).text;
  const outputs = Object.entries(metafile.outputs).filter(([path]) => path.endsWith(".js"));
  return Promise.all(outputs.map(([path, output]) => wrapChunk(basename(path), textOf(path), output)));
}

function adaptSources({ onLoad, onResolve }) {
  for (const [filter, contents] of LEFT_OUT) onLoad({ filter }, () => ({ contents }));
  // To read a file, the SDK loads all that Node has for folders, watchers and terminals.
  onResolve({ filter: /^(node:)?fs\/promises$/ }, ({ importer }) =>
    importer.includes("/node_modules/") ? { path: "fs/promises", namespace: "read-file" } : undefined,
  );
  const readFile = `import { readFile as read } from "node:fs"; import { promisify } from "node:util";
    export const readFile = promisify(read); export default { readFile };`;
  onLoad({ filter: /^/, namespace: "read-file" }, () => ({ contents: readFile }));
  // Of its manifests the SDK reads the version.
  onLoad({ filter: /\/@aws-sdk\/[\w-]+\/package\.json$/ }, ({ path }) => {
    const { version } = JSON.parse(readFileSync(path, "utf8"));
    return { contents: JSON.stringify({ version }), loader: "json" };
  });
  // V8 reads what is all ASCII faster, in half the memory. esbuild sees to it in strings, but not in patterns.
  const toEscape = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  onLoad({ filter: /\/entrypoint\/.*\.ts$/ }, ({ path }) => {
    return { contents: readFileSync(path, "utf8").replace(/[^\0-\x7f]/g, toEscape), loader: "ts" };
  });
}

/** Bytes by package, the largest first. */
function sizesOf(outputs) {
  const sizes = new Map();
  for (const [path, { bytesInOutput }] of outputs.flatMap(({ inputs }) => Object.entries(inputs))) {
    const name = /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? "sallyport";
    sizes.set(name, (sizes.get(name) ?? 0) + bytesInOutput);
  }
  return Object.fromEntries([...sizes].sort(([, a], [, b]) => b - a));
}

/** What the packages in the bundle want to travel with it. */
function licensesOf(names) {
  const texts = names
    .filter((name) => existsSync(`node_modules/${name}`))
    .map((name) => {
      const folder = `node_modules/${name}`;
      const { version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
      const file = readdirSync(folder).find((it) => /^licen[cs]e/i.test(it));
      return `${name} ${version} (${license})\n\n${file ? readFileSync(`${folder}/${file}`, "utf8") : ""}`;
    });
  return texts.sort().join(`\n${"-".repeat(80)}\n\n`);
}

/**
 * Makes a function body of a chunk, because all of them are to live in one file. A builtin is taken by `require` then, which
 * evaluates what is used of it; an `import` of `node:http` loads `fetch` as well, and takes longer than Node's own start.
 */
async function wrapChunk(name, text, { entryPoint, imports }) {
  const format = {
    format: "cjs",
    platform: "node",
    target,
    sourcefile: `dist/${name}`,
    sourcemap: "external",
  };
  const { code, map, warnings } = await transform(text, { ...compact, ...format, legalComments: "none" });
  // Both names are as long as `import`, so the source map holds. What is imported by a path at run time needs the real one.
  const body = code
    .trimEnd()
    .replaceAll('import("', 'demand("')
    .replaceAll(/(?<![\w$.])import\(/g, "summon(");
  if (warnings.length > 0) throw new Error(`${name}: ${warnings[0].text}`);
  if (/[^\t -~\x7f]/.test(body)) throw new Error(`${name} is not one line of ASCII`);
  const paths = (kind) =>
    imports.filter((it) => it.kind === kind && !it.external).map(({ path }) => basename(path));
  return { name, entryPoint, body, map: withPlainPaths(JSON.parse(map)), needs: paths("import-statement") };
}

/** `entrypoint/boot.ts` is what a stack trace is to say, wherever the bundle lies. */
function withPlainPaths(map) {
  return { ...map, sources: map.sources.map((path) => path.replace(/^(\.\.\/)+/, "")) };
}

/** Puts each chunk into the first part that needs it. */
function divide(chunks) {
  const placed = new Set();
  const place = (chunk) => {
    if (placed.has(chunk)) return [];
    placed.add(chunk);
    return [chunk, ...chunk.needs.flatMap((name) => place(chunks.find((it) => it.name === name)))];
  };
  const entries = chunks.flatMap(({ entryPoint }) => entryPoint ?? []);
  const rest = entries.map((path) => [path.replace(/^\w+\/|\.\w+$/g, "").replaceAll("/", "-"), [path]]);
  return [...Object.entries(PARTS), ...rest]
    .map(([name, paths]) => {
      const opened = paths.map((path) => chunks.find(({ entryPoint }) => entryPoint === path));
      if (opened.includes(undefined)) throw new Error(`part ${name} names what nobody imports lazily`);
      return { name, chunks: opened.flatMap(place) };
    })
    .filter(({ chunks }) => chunks.length > 0);
}

/**
 * Each part is one line, and a comment: that costs nothing, where parsing all of them would take as long as Node's own start.
 * `unpack` stands before them, and compiles a part when something in it is asked for.
 */
async function writeEntrypoint(parts) {
  const source = readFileSync("entrypoint/unpack.ts", "utf8");
  const { code } = await transform(source, { loader: "ts", target });
  const lines = parts.map(layPart);
  const end = "//# sourceMappingURL=entrypoint.mjs.map\n";
  const about = "// Sallyport, as build.mjs packs it. The lines that begin with //({ are the program.";
  const before = `#!/usr/bin/env node\n${about}\n${code}unpack(import.meta, [\n`;
  const firstLine = before.split("\n").length + parts.length;
  const rows = parts.map(({ name, chunks }, index) => {
    const length = lines[index].text.length - "//".length;
    const following = lines.slice(index + 1).map(({ text }) => `${text}\n`);
    const beforeEnd = length + ["\n", ...following, end].join("").length;
    const part = { name, length, beforeEnd, line: firstLine + index };
    return `  ${JSON.stringify({ ...part, chunks: chunks.map((chunk) => chunk.name) })},\n`;
  });
  const texts = lines.map(({ text }) => `${text}\n`);
  writeFileSync("dist/entrypoint.mjs", [before, ...rows, "]);\n", ...texts, end].join(""), { mode: 0o755 });
  const sections = lines.flatMap(({ maps }, index) =>
    maps.map(({ column, map }) => ({ offset: { line: firstLine + index, column }, map })),
  );
  // Without `sources`, Node would not look at the sections.
  writeFileSync("dist/entrypoint.mjs.map", JSON.stringify({ version: 3, sources: [], sections }));
  if (!quiet) console.log(`dist/entrypoint.mjs  ${texts.join("").length} bytes in ${parts.length} parts`);
}

/** `//({"a.js":(function(…){…}),})`: the parentheses make V8 compile the function at once, not look at it twice. */
function layPart({ chunks }) {
  let text = "//({";
  const maps = [];
  for (const { name, body, map } of chunks) {
    text += `"${name}":(function(module,exports,require,demand,summon,now){`;
    maps.push({ column: text.length, map });
    text += `${body}}),`;
  }
  return { text: `${text}})`, maps };
}
