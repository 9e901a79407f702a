/** What of the start is still in memory while the app runs. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { interleave, type Sample, start, stop } from "./measure.ts";
import { type Stage, setStage, type Way } from "./stage.ts";

const SETTLED_MS = 5_000;
const WAYS: readonly Way[] = ["bare", "sdk", "sallyport"];

/** Megabytes of resident memory by way, five seconds after a server's first line, with 20 secrets. */
export async function measureMemory(runs: number): Promise<Sample> {
  const stage = await setStage(20, 0);
  const turn = async () => {
    const kept = WAYS.map(async (way) => [way, await keptBy(way, stage)] as const);
    return Object.fromEntries(await Promise.all(kept));
  };
  try {
    return (await interleave("memory kept", [{ name: "kept", turn }], runs)).kept as Sample;
  } finally {
    await stage.close();
  }
}

async function keptBy(way: Way, stage: Stage): Promise<number> {
  const child = start(stage.command(way, {}, "server.mjs"));
  try {
    await once(child.stdout as NodeJS.ReadableStream, "data");
    await delay(SETTLED_MS);
    const status = await readFile(`/proc/${child.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
  } finally {
    await stop(child);
  }
}
