/** What a health probe costs: it starts a process every few seconds, for as long as the container lives. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type Command, interleave, type Medians, type Sample, start, stop, timeExit } from "./measure.ts";
import { NODE, setStage } from "./stage.ts";

export async function measureProbe(runs: number): Promise<Medians> {
  const stage = await setStage(1, 0);
  const container = start(stage.command("sallyport", { BENCH_STAY: "1" }));
  await once(container.stdout as NodeJS.ReadableStream, "data");
  const health = createServer((_request, response) => response.end("ok")).listen(0, "127.0.0.1");
  await once(health, "listening");
  const { port } = health.address() as AddressInfo;
  const ask = `fetch("http://127.0.0.1:${port}/").then(({ ok }) => process.exit(ok ? 0 : 1))`;
  const peers = {
    node: [join(stage.folder, "empty.mjs")],
    healthcheck: [stage.entrypoint, "healthcheck"],
    "node -e fetch": ["-e", ask],
  };
  const turns = Object.entries(peers).map(([name, args]) => ({
    name,
    turn: () => measure({ cwd: stage.folder, env: { ENVIRONMENT: "aws" } }, args, stage.folder),
  }));
  try {
    return await interleave("probe", turns, runs);
  } finally {
    health.close();
    health.closeAllConnections();
    await stop(container);
    await stage.close();
  }
}

/** Time is taken without the witness, which costs some itself. */
async function measure(where: Omit<Command, "command">, args: string[], folder: string): Promise<Sample> {
  const { ms = Number.NaN } = await timeExit({ ...where, command: [NODE, ...args] });
  const child = start({ ...where, command: [NODE, "--require", join(folder, "usage.cjs"), ...args] });
  const said = (await child.stdout?.toArray())?.join("") ?? "";
  return { ms, ...JSON.parse(/^usage (.*)$/m.exec(said)?.[1] as string) };
}
