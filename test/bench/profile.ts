/** Where the time of a start goes, by whose code runs: V8's own sampling profiler, which makes all of it a little slower. */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { interleave, type Medians, type Sample, timeExit } from "./measure.ts";
import { type Stage, setStage, type Way } from "./stage.ts";

interface CallFrame {
  readonly functionName: string;
  readonly url: string;
  /** Counted from 0. */
  readonly lineNumber: number;
}

interface Profile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: CallFrame }[];
  readonly samples: readonly number[];
  /** Microseconds. */
  readonly timeDeltas: readonly number[];
}

const CASES: readonly (readonly [title: string, way: Way, secrets: number])[] = [
  ["bare", "bare", 20],
  ["signed", "signed", 20],
  ["sdk", "sdk", 20],
  ["sallyport", "sallyport", 20],
  ["signed, 200", "signed", 200],
  ["sdk, 200", "sdk", 200],
  ["sallyport, 200", "sallyport", 200],
];
const INTERVAL_US = 100;
const COMPILERS = ["Script", "compileSourceTextModule", "wrapSafe"];
const LOADERS = ["compileForInternalLoader", "requireBuiltin", "internalBinding"];

/** Milliseconds by case and by whose code. */
export async function measureProfiles(runs: number): Promise<Medians> {
  const stages = new Map<number, Stage>();
  try {
    for (const [, , secrets] of CASES)
      if (!stages.has(secrets)) stages.set(secrets, await setStage(secrets, 0));
    const peers = CASES.map(([name, way, secrets]) => {
      return { name, turn: () => takeProfile(stages.get(secrets) as Stage, way) };
    });
    return await interleave("profile", peers, runs);
  } finally {
    for (const stage of stages.values()) await stage.close();
  }
}

async function takeProfile(stage: Stage, way: Way): Promise<Sample> {
  const folder = join(stage.folder, "profiles");
  const what = stage.command(way);
  const [program = "", ...args] = what.command;
  const options = ["--cpu-prof", `--cpu-prof-dir=${folder}`, `--cpu-prof-interval=${INTERVAL_US}`];
  await timeExit({ ...what, command: [program, ...options, ...args] });
  const [file = ""] = readdirSync(folder);
  const profile: Profile = JSON.parse(readFileSync(join(folder, file), "utf8"));
  rmSync(folder, { recursive: true });
  return sumUp(profile, linesOfSdk(stage.entrypoint));
}

function sumUp({ nodes, samples, timeDeltas }: Profile, sdkLines: ReadonlySet<number>): Sample {
  const owners = new Map(nodes.map(({ id, callFrame }) => [id, ownerOf(callFrame, sdkLines)]));
  const sums: Record<string, number> = {
    "Node and V8, native": 0,
    "Node's modules, loaded": 0,
    "Node's modules, run": 0,
    "scripts, compiled or taken from the cache": 0,
    "the AWS SDK": 0,
    "Sallyport, or the script": 0,
    "garbage collection": 0,
    waiting: 0,
  };
  for (const [index, id] of samples.entries()) {
    const owner = owners.get(id) as string;
    sums[owner] = (sums[owner] ?? 0) + (timeDeltas[index] as number) / 1000;
  }
  return sums;
}

function ownerOf({ functionName, url, lineNumber }: CallFrame, sdkLines: ReadonlySet<number>): string {
  if (functionName === "(idle)") return "waiting";
  if (functionName === "(garbage collector)") return "garbage collection";
  if (LOADERS.includes(functionName)) return "Node's modules, loaded";
  if (COMPILERS.includes(functionName)) return "scripts, compiled or taken from the cache";
  if (url === "") return "Node and V8, native";
  if (url.startsWith("node:")) return "Node's modules, run";
  // With esbuild's defaults, nearly all of the peer's bundle is the SDK.
  const isSdk = url.endsWith("/sdk.cjs") || (url.endsWith("/entrypoint.mjs") && sdkLines.has(lineNumber));
  return isSdk ? "the AWS SDK" : "Sallyport, or the script";
}

/** The part of the bundle with the SDK in it, and the small adapter for it. */
function linesOfSdk(entrypoint: string): Set<number> {
  const rows = readFileSync(entrypoint, "utf8")
    .split("\n")
    .filter((line) => /^ {2}\{"name":/.test(line));
  const parts: { name: string; line: number }[] = rows.map((row) => JSON.parse(row.slice(0, -1)));
  return new Set(parts.filter(({ name }) => name === "aws").map(({ line }) => line));
}
