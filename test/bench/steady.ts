/** What the app goes on paying once it runs: nothing, if it can be had. */
import { type ChildProcess, execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { request } from "node:http";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createSettings, type SettingValues } from "../../entrypoint/settings/settings.ts";
import { socketsToAsk } from "../../entrypoint/socket-path.ts";
import { interleave, type Medians, type Sample, start, stop } from "./measure.ts";
import { NODE, type Stage, setStage } from "./stage.ts";

const AUTOCANNON = fileURLToPath(new URL("../../node_modules/autocannon/autocannon.js", import.meta.url));
const READS = 5_000_000;
const run = promisify(execFile);

/** Nanoseconds for one read of a setting, and of a property of a plain object. */
export function measureReads(runs: number): Promise<Medians> {
  const names = Array.from({ length: 20 }, (_, index) => `SETTING_${index}`);
  const values: SettingValues = new Map(
    names.map((name) => [name, { value: name, text: name, texts: [name], origins: [], since: "" }]),
  );
  const specs = names.map((name) => ({ name, secret: true })) as unknown as Parameters<
    typeof createSettings
  >[0];
  const settings = createSettings(specs, values).settings as Record<string, string>;
  const plain = Object.fromEntries(names.map((name) => [name, name])) as Record<string, string>;
  return interleave(
    "settings",
    [
      { name: "plain", turn: async () => ({ ns: readAll(plain) }) },
      { name: "settings", turn: async () => ({ ns: readAll(settings) }) },
    ],
    runs,
  );
}

function readAll(from: Record<string, string>): number {
  let length = 0;
  const started = performance.now();
  for (let index = 0; index < READS; index++) length += (from.SETTING_7 as string).length;
  const ns = ((performance.now() - started) * 1e6) / READS;
  if (length !== READS * "SETTING_7".length) throw new Error("a read gave something else");
  return ns;
}

/** Requests a second of the same server, bare and wrapped. */
export async function measureServer(runs: number, seconds: number): Promise<Medians> {
  const stage = await setStage(20, 0);
  const servers = new Map<string, ChildProcess>();
  const peers = (["bare", "sallyport"] as const).map((way) => {
    const server = start(stage.command(way, {}, "server.mjs"));
    servers.set(way, server);
    const port = once(server.stdout as NodeJS.ReadableStream, "data").then(
      ([line]) => /\d+/.exec(String(line))?.[0],
    );
    return { name: way, turn: async () => load(await port, seconds) };
  });
  try {
    return await interleave("requests a second", peers, runs);
  } finally {
    for (const server of servers.values()) await stop(server);
    await stage.close();
  }
}

async function load(port: string | undefined, seconds: number): Promise<Sample> {
  const options = ["--json", "--connections", "20", "--duration", String(seconds)];
  const { stdout } = await run(NODE, [AUTOCANNON, ...options, `http://127.0.0.1:${port}/`]);
  const { requests, errors, non2xx } = JSON.parse(stdout);
  if (errors + non2xx > 0) throw new Error(`${errors + non2xx} requests failed`);
  return { rps: requests.average };
}

/** Lines a second that an app gets through its stdout, none of which holds a secret. */
export async function measureOutput(runs: number): Promise<Medians> {
  const stage = await setStage(20, 0);
  const peers = (["bare", "sallyport"] as const).map((way) => ({ name: way, turn: () => flood(stage, way) }));
  try {
    return await interleave("lines a second", peers, runs);
  } finally {
    await stage.close();
  }
}

async function flood(stage: Stage, way: "bare" | "sallyport"): Promise<Sample> {
  const child = start(stage.command(way, {}, "flood.mjs"));
  let tail = "";
  child.stdout?.on("data", (chunk) => {
    tail = (tail + chunk).slice(-100);
  });
  await once(child, "close");
  return { lps: Number(/lines a second: (\d+)/.exec(tail)?.[1]) };
}

/** Milliseconds for a refresh in which nothing has changed. `undefined` while there is no such route. */
export async function measureRefresh(runs: number): Promise<Sample | undefined> {
  const stage = await setStage(20, 0);
  const container = start(stage.command("sallyport", { BENCH_STAY: "1" }));
  try {
    await once(container.stdout as NodeJS.ReadableStream, "data");
    const socketPath = socketsToAsk(stage.folder).find((path) => existsSync(path)) as string;
    if ((await refresh(socketPath)) === 404) return undefined;
    const turn = async () => {
      const started = performance.now();
      const status = await refresh(socketPath);
      if (status !== 200) throw new Error(`a refresh was answered with ${status}`);
      return { ms: performance.now() - started };
    };
    return (await interleave("refresh", [{ name: "refresh", turn }], runs)).refresh;
  } finally {
    await stop(container);
    await stage.close();
  }
}

function refresh(socketPath: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path: "/secrets/refresh", method: "POST" }, (response) => {
      response.resume().once("end", () => resolve(response.statusCode));
    })
      .once("error", reject)
      .end();
  });
}
