/** From the start of the process to the first line of the app. */
import { spawnSync } from "node:child_process";
import { interleave, type Medians, type Peer, timeFirstLine } from "./measure.ts";
import { type Stage, setStage, type Way } from "./stage.ts";

const CORE: readonly Way[] = [
  ...(["bare", "signed", "sdk", "sallyport", "sallyport, not baked"] as const),
  ...(["sallyport, Infisical", "sallyport, files"] as const),
];
/** They take half a second a secret. */
const SHELL_RUNS = 5;

export interface BootCase {
  readonly secrets: number;
  readonly latencyMs: number;
  /** With `sh`, `aws` and `jq`, where they are. */
  readonly shell?: boolean;
}

/** By case: `20 secrets, 2 ms`. */
export async function measureBoot(
  cases: readonly BootCase[],
  runs: number,
): Promise<Record<string, Medians>> {
  const results: Record<string, Medians> = {};
  for (const it of cases) {
    const { secrets, latencyMs } = it;
    const stage = await setStage(secrets, latencyMs);
    const title = titleOf(it);
    try {
      results[title] = await interleave(
        `boot, ${title}`,
        peersOn(stage, it.shell === true && hasShell(), runs),
        runs,
      );
    } finally {
      await stage.close();
    }
  }
  return results;
}

export function titleOf({ secrets, latencyMs }: BootCase): string {
  return `${secrets} secret${secrets === 1 ? "" : "s"}, ${latencyMs} ms`;
}

function peersOn(stage: Stage, shell: boolean, runs: number): Peer[] {
  const peer = (name: Way) => ({ name, turn: () => timeFirstLine(stage.command(name)) });
  const peers: Peer[] = CORE.map(peer);
  return shell ? [...peers, { ...peer("shell"), runs: Math.min(runs, SHELL_RUNS) }] : peers;
}

function hasShell(): boolean {
  return ["sh", "aws", "jq"].every((program) => spawnSync(program, ["--version"]).error === undefined);
}
