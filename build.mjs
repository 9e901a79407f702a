// Builds what is published: one file for the image, the typed package entry, and the JSON Schema for editors.
import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const quiet = process.argv.includes("--quiet");
const shared = { bundle: true, platform: "node", format: "esm", target: "node22.19", logLevel: "warning" };

rmSync("dist", { recursive: true, force: true });

const entrypoint = await build({
  ...shared,
  entryPoints: { entrypoint: "entrypoint/main.ts" },
  outdir: "dist",
  outExtension: { ".js": ".mjs" },
  minify: true,
  // Node prints the whole source line of an error that nobody caught; minified, that would be everything.
  lineLimit: 200,
  sourcemap: "linked",
  sourcesContent: false,
  legalComments: "linked",
  // The ES builds of the AWS SDK can be shaken, its CommonJS builds can't.
  mainFields: ["module", "main"],
  banner: {
    js: '#!/usr/bin/env node\nimport { createRequire as createRequireOfBundle } from "node:module"; const require = createRequireOfBundle(import.meta.url);',
  },
  metafile: true,
});

await build({
  ...shared,
  entryPoints: { sallyport: "entrypoint/sallyport.ts", migrators: "entrypoint/migrators/migrators.ts" },
  outdir: "dist",
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

if (!quiet) {
  const { outputs } = entrypoint.metafile;
  for (const [file, { bytes }] of Object.entries(outputs))
    console.log(`${file}  ${Math.round(bytes / 1000)} KB`);
}
