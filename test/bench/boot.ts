/** From the start of the process to the first line of the app. */
import { spawnSync } from "node:child_process";
import { interleave, type Medians, type Peer, timeFirstLine } from "./measure.ts";
import { type Stage, setStage, type Way } from "./stage.ts";

const CORE: readonly Way[] = [
  ...(["bare", "signed", "sdk", "sallyport", "sallyport, uncached"] as const),
  ...(["sallyport, Infisical", "sallyport, files"] as const),
];
/** It takes half a second a secret. */
const SHELL_RUNS = 5;
const MOST_FOR_SHELL = 20;

export interface BootCase {
  readonly secrets: number;
  readonly latencyMs: number;
}

/** By case: `20 secrets, 2 ms`. */
export async function measureBoot(
  cases: readonly BootCase[],
  runs: number,
): Promise<Record<string, Medians>> {
  const results: Record<string, Medians> = {};
  for (const { secrets, latencyMs } of cases) {
    const stage = await setStage(secrets, latencyMs);
    const title = titleOf({ secrets, latencyMs });
    try {
      results[title] = await interleave(`boot, ${title}`, peersOn(stage, secrets, latencyMs, runs), runs);
    } finally {
      await stage.close();
    }
  }
  return results;
}

export function titleOf({ secrets, latencyMs }: BootCase): string {
  return `${secrets} secret${secrets === 1 ? "" : "s"}, ${latencyMs} ms`;
}

function peersOn(stage: Stage, secrets: number, latencyMs: number, runs: number): Peer[] {
  const peer = (name: Way) => ({ name, turn: () => timeFirstLine(stage.command(name)) });
  const peers: Peer[] = CORE.map(peer);
  if (latencyMs > 0 || secrets > MOST_FOR_SHELL || !hasShell()) return peers;
  return [...peers, { ...peer("shell"), runs: Math.min(runs, SHELL_RUNS) }];
}

function hasShell(): boolean {
  return ["sh", "aws", "jq"].every((program) => spawnSync(program, ["--version"]).error === undefined);
}
