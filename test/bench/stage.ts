/** The stage for all peers: their managers, their folders, their commands. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { makeFolder } from "../folder.ts";
import { type Command, stop } from "./measure.ts";

export const NODE = process.execPath;
export const DIST = fileURLToPath(new URL("../../dist/", import.meta.url));
const PEERS = fileURLToPath(new URL("./peers/", import.meta.url));

/** By whose work the app gets its secrets. */
export type Way =
  | ("bare" | "signed" | "sdk" | "shell")
  | ("sallyport" | "sallyport, not baked" | "sallyport, Infisical" | "sallyport, files");

export interface Stage {
  /** Where all of them lie and start. */
  readonly folder: string;
  /** Baked, as in the image. */
  readonly entrypoint: string;
  /** @param app another one than the app that shows its first line */
  command(way: Way, env?: Record<string, string>, app?: "app.mjs" | "server.mjs" | "flood.mjs"): Command;
  close(): Promise<void>;
}

/** One for each number of secrets: every peer finds the same values there. */
export async function setStage(count: number, latencyMs: number): Promise<Stage> {
  const folder = makeFolder();
  await layPeers(folder);
  layConfig(folder, count);
  const managers = spawn(NODE, [join(import.meta.dirname, "managers.ts"), String(count), String(latencyMs)]);
  const [line] = await once(managers.stdout, "data");
  const { aws, infisical } = JSON.parse(String(line));
  const keys = { AWS_REGION: aws.REGION, AWS_DEFAULT_REGION: aws.REGION, ...aws };
  const run = (program: string, file: string, ...args: string[]) => [program, join(folder, file), ...args];
  const boot = (config: string) => run(NODE, "baked/entrypoint.mjs", "--config", join(folder, config));
  const ways: Record<Way, Pick<Command, "command" | "env">> = {
    bare: { command: [], env: {} },
    signed: { command: run(NODE, "signed.mjs"), env: aws },
    sdk: { command: run(NODE, "sdk.cjs"), env: keys },
    shell: { command: run("sh", "shell.sh"), env: keys },
    sallyport: { command: boot("aws.json"), env: { ENVIRONMENT: "aws", ...aws } },
    "sallyport, not baked": {
      command: run(NODE, "entrypoint.mjs", "--config", join(folder, "aws.json")),
      env: { ENVIRONMENT: "aws", ...aws },
    },
    "sallyport, Infisical": { command: boot("other.json"), env: { ENVIRONMENT: "infisical", ...infisical } },
    "sallyport, files": { command: boot("other.json"), env: { ENVIRONMENT: "files" } },
  };
  return {
    folder,
    entrypoint: join(folder, "baked/entrypoint.mjs"),
    command(way, env, app = "app.mjs") {
      const { command, env: own } = ways[way];
      const path = join(folder, app);
      const isOurs = way.startsWith("sallyport");
      return {
        command: way === "bare" ? [NODE, path] : [...command, ...(isOurs ? [path] : [])],
        cwd: folder,
        env: { BENCH_COUNT: String(count), BENCH_APP: path, BENCH_NODE: NODE, ...own, ...env },
        says: way === "bare" ? "up " : `up ${secretOf(0).length}`,
      };
    },
    close: () => stop(managers),
  };
}

/** The bundle as it lies in the image, and once as it is published. */
async function layPeers(folder: string): Promise<void> {
  cpSync(PEERS, folder, { recursive: true });
  cpSync(join(DIST, "entrypoint.mjs"), join(folder, "entrypoint.mjs"));
  execFileSync(NODE, [join(DIST, "bake.mjs"), join(DIST, "entrypoint.mjs"), join(folder, "baked")]);
  // As the documentation of esbuild has it for Node.
  const options = { bundle: true, platform: "node", format: "cjs" } as const;
  await build({ ...options, entryPoints: [join(PEERS, "sdk.mjs")], outfile: join(folder, "sdk.cjs") });
}

function layConfig(folder: string, count: number): void {
  const names = Array.from({ length: count }, (_, index) => `s${index}`);
  const from = (way: string, name: string) => (way === "aws" ? `${name}/value` : `bench/${name}`);
  for (const way of ["aws", "other"]) {
    const settings = Object.fromEntries(names.map((name) => [name.toUpperCase(), from(way, name)]));
    const config = {
      app: { wrap: "./app.mjs", ready: "loaded" },
      secrets: {
        aws: { provider: "aws-secrets-manager", prefix: "shop/bench" },
        infisical: { provider: "infisical", environment: "prod" },
        files: { provider: "files", directory: "." },
      },
      settings,
    };
    writeFileSync(join(folder, `${way}.json`), JSON.stringify(config));
  }
  mkdirSync(join(folder, "bench"));
  for (const [index, name] of names.entries()) writeFileSync(join(folder, "bench", name), secretOf(index));
}

function secretOf(index: number): string {
  return `value-${index}-of-the-benchmark`;
}
