/** Secrets that are unique and random, of every shape, and guests that would print them in any way they can. */
import { randomBytes } from "node:crypto";
import type { BundleOptions } from "./bundle.ts";

/** With characters that JSON, URLs and base64 write differently. */
export function canary(): string {
  return `cana"ry/${randomBytes(9).toString("base64")}\\+é`;
}

export interface Canaries {
  readonly settings: Readonly<Record<string, string | object>>;
  readonly secrets: Readonly<Record<string, string>>;
}

export function makeCanaries(): Canaries {
  const lines = Array.from({ length: 4 }, () => randomBytes(48).toString("base64"));
  const login = encodeURIComponent(canary());
  return {
    settings: {
      KEY: "a/key",
      CACHE_URL: "a/cache",
      PEM: "a/pem",
      DOCUMENT: { from: "a/document", type: "json" },
      BYTES: { from: "a/bytes", type: "bytes" },
      RING: { from: "a/ring", stages: ["current", "previous"] },
    },
    secrets: {
      "a/key": canary(),
      "a/cache": `redis://default:${login}@127.0.0.1:1/0`,
      "a/pem": `-----BEGIN PRIVATE KEY-----\n${lines.join("\n")}\n-----END PRIVATE KEY-----\n`,
      "a/document": JSON.stringify({ user: canary(), nested: { list: [canary()] } }),
      "a/bytes": canary(),
      "a/ring": canary(),
      "a/ring.previous": canary(),
    },
  };
}

/** Everything that an app has, in one text, in the ways in which apps and libraries write it. */
export const QUOTE = `
  import { inspect } from "node:util";
  export function quote(settings) {
    const values = [settings.KEY, settings.CACHE_URL, settings.PEM, settings.DOCUMENT, settings.BYTES?.toString(), settings.RING];
    const texts = values.flat().filter((it) => it !== undefined).map((it) => typeof it === "string" ? it : JSON.stringify(it));
    return texts.flatMap((it) => [it, JSON.stringify({ it }), encodeURIComponent(it),
      Buffer.from("user:" + it).toString("base64"), Buffer.from(it).toString("hex"),
      inspect({ body: JSON.stringify({ it }) }), JSON.stringify({ body: Buffer.from(it) })]).join(" ");
  }
  export function hostile(settings) {
    const error = new Error("failed with " + quote(settings), { cause: new TypeError(quote(settings)) });
    return Object.assign(error, { code: "E_QUOTE", input: quote(settings), command: { args: [settings.KEY] } });
  }
`;

/** A server that starts, and on the way shows what it has. */
export const TALKATIVE = `
  import { createServer } from "node:http";
  import { spawn } from "node:child_process";
  import { Worker } from "node:worker_threads";
  import { writeFileSync } from "node:fs";
  import { quote, hostile } from "./quote.mjs";
  export async function start(settings, context) {
    console.log(process.env, { settings }, quote(settings));
    console.error(hostile(settings));
    context.log.info("quoted " + quote(settings), { quote: quote(settings), error: hostile(settings) });
    context.log.error("hostile", hostile(settings));
    process.emitWarning(quote(settings));
    const report = process.report.getReport(hostile(settings));
    console.log(JSON.stringify(report));
    try { // not on a read-only root
      writeFileSync("report.json", JSON.stringify(report));
      process.report.writeReport("written-report.json", hostile(settings));
    } catch {}
    const child = spawn(process.execPath, ["-e", "console.log(process.env); setTimeout(() => {}, 60000)"], { stdio: "inherit" });
    process.on("exit", () => child.kill());
    new Worker("console.log({ ...process.env }); console.log(process.report.getReport())", { eval: true });
    return createServer((_, response) => response.end()).listen(settings.PORT ?? 0, function () { console.log("listening on " + this.address().port); });
  }
`;

/** A config with all canaries, and what the scenario adds to it; one with a manager of its own has its own settings, too. */
export function withCanaries(
  scenario: BundleOptions & { readonly config?: object },
  { settings, secrets }: Canaries = makeCanaries(),
): BundleOptions {
  const { settings: more = {}, ...config } = (scenario.config ?? {}) as { settings?: object };
  const ours = "secrets" in config ? {} : settings;
  return {
    ...scenario,
    config: { app: "./app.mjs", settings: { ...ours, ...more }, ...config },
    secrets: { ...secrets, ...scenario.secrets },
    files: { "quote.mjs": QUOTE, "app.mjs": TALKATIVE, ...scenario.files },
  };
}
