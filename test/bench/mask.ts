/**
 * What the mask costs: the bundle with fifty secrets against bare Node, in turns, as a ratio of throughput. On a busy machine
 * only the medians of many rounds mean something: `node test/bench/mask.ts 9`, after `npm run build`.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeFolder } from "../folder.ts";

/** It comes without types. */
const autocannon: (load: object) => Promise<{ requests: { average: number } }> = createRequire(
  import.meta.url,
)("autocannon");

const SECRETS = 50;
const ENTRYPOINT = fileURLToPath(new URL("../../dist/entrypoint.mjs", import.meta.url));
const LINE = `{"level":30,"time":1700000000000,"reqId":"req-1a","req":{"method":"GET","url":"/orders/8842"},"msg":"${"done ".repeat(17)}"}`;

/** Writes what is asked for, and tells how long it took, until the last write is out. */
const WRITER = `
  const line = ${JSON.stringify(LINE)}.slice(0, 199) + "\\n";
  const large = Buffer.from(line.repeat(5300)).subarray(0, 2 ** 20).fill("\\n", 2 ** 20 - 1);
  const write = async (chunk, times) => {
    for (let index = 0; index < times; index++)
      if (!process.stdout.write(chunk)) await new Promise((resolve) => process.stdout.once("drain", resolve));
    await new Promise((resolve) => process.stdout.write("\\n", resolve));
  };
  const time = async (work) => { const from = performance.now(); await work(); return performance.now() - from; };
  const log = async (times) => {
    for (let index = 0; index < times; index += 500) {
      for (let more = 0; more < 500; more++) console.log("%s", line.slice(0, -1), index);
      await write("", 1);
    }
  };
  // Each way is warm before it is measured.
  await write(line, 100_000);
  const lines = await time(() => write(line, 300_000));
  await log(100_000);
  const logged = await time(() => log(200_000));
  await write(large, 20);
  process.stderr.write("RESULT " + JSON.stringify({ lines, logged, large: await time(() => write(large, 300)) }) + "\\n");
`;
const SERVER = `
  import { createServer } from "node:http";
  createServer((_, response) => { console.log(${JSON.stringify(LINE)}); response.end("ok"); })
    .listen(0, function () { process.stderr.write("RESULT " + this.address().port + "\\n"); });
`;

function layFolder(app: string): string {
  const folder = makeFolder();
  mkdirSync(join(folder, ".secrets"));
  const names = Array.from({ length: SECRETS }, (_, index) => `S${index}`);
  for (const name of names) writeFileSync(join(folder, ".secrets", name), randomBytes(18).toString("base64"));
  const settings = Object.fromEntries(names.map((name) => [name, name]));
  const secrets = { bench: { provider: "files", directory: ".secrets" } };
  const config = { app: { wrap: "./app.mjs", ready: "loaded" }, secrets, settings };
  writeFileSync(join(folder, "sallyport.config.json"), JSON.stringify(config));
  writeFileSync(join(folder, "app.mjs"), app);
  return folder;
}

/** Starts it, and resolves with what it says. */
async function start(folder: string, program: string) {
  const env = { PATH: process.env.PATH, ENVIRONMENT: "bench" };
  const child = spawn(process.execPath, [program], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.resume();
  let said = "";
  const result = await new Promise<string>((resolve, reject) => {
    child.stderr.setEncoding("utf8").on("data", (text) => {
      said += text;
      const [, found] = /^RESULT (.*)$/m.exec(said) ?? [];
      if (found) resolve(found);
    });
    child.once("close", () => reject(new Error(said)));
  });
  return { child, result: JSON.parse(result) };
}

async function measureWrites(folder: string, program: string): Promise<Record<string, number>> {
  const { child, result } = await start(folder, program);
  child.kill("SIGKILL");
  return result;
}

/** Milliseconds a request, as the others are times. */
async function measureServer(folder: string, program: string): Promise<number> {
  const { child, result: port } = await start(folder, program);
  const load = { url: `http://127.0.0.1:${port}`, connections: 20 };
  await autocannon({ ...load, duration: 1 });
  const { requests } = await autocannon({ ...load, duration: 3 });
  child.kill("SIGKILL");
  return 1_000 / requests.average;
}

const ratios = new Map<string, number[]>();
const note = (what: string, bare: number, masked: number) =>
  ratios.set(what, [...(ratios.get(what) ?? []), bare / masked]);
const [writer, server] = [layFolder(WRITER), layFolder(SERVER)];
for (let round = 0; round < Number(process.argv[2] ?? 5); round++) {
  const bare = await measureWrites(writer, "app.mjs");
  const masked = await measureWrites(writer, ENTRYPOINT);
  for (const [what, ms] of Object.entries(bare)) note(what, ms, masked[what] as number);
  note("requests", await measureServer(server, "app.mjs"), await measureServer(server, ENTRYPOINT));
}
const TITLES: Readonly<Record<string, string>> = {
  lines: "200-byte lines by stdout.write",
  logged: "200-byte lines by console.log",
  large: "writes of 1 MiB",
  requests: "requests a second, a line each",
};
for (const [what, all] of ratios) {
  const sorted = all.toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] as number;
  console.log(
    `${TITLES[what]}: ${median.toFixed(2)} x bare (${sorted.map((it) => it.toFixed(2)).join(" ")})`,
  );
}
