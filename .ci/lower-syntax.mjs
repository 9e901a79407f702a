// Lets Node 22 run the tests: it strips types, but can't parse `await using`.
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import { transformSync } from "esbuild";

registerHooks({
  load(url, context, nextLoad) {
    if (!url.endsWith(".ts")) return nextLoad(url, context);
    const source = readFileSync(fileURLToPath(url), "utf8");
    const { code } = transformSync(source, { loader: "ts", target: "node22.19", sourcemap: "inline" });
    return { format: "module", source: code, shortCircuit: true };
  },
});
