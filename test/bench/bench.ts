/**
 * What Sallyport costs, beside what people use instead: `npm run bench`. Give it a quiet machine.
 *
 *   --quick      few runs of what matters most, in about a minute
 *   --runs N     instead of 20
 *   --profile    where the time of a start goes, and nothing else
 *   --slack X    how far a ratio may be off before it fails: 1.3 forgives 30 %
 *   --out FILE   instead of bench.json
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type BootCase, measureBoot } from "./boot.ts";
import { type Claim, claimsOf, holds, type Results } from "./claims.ts";
import { type LoopResult, simulateCrashLoop, simulateRefusals } from "./crash-loop.ts";
import { type FleetResult, simulateStart } from "./fleet.ts";
import { measureHandle } from "./handle.ts";
import { type Sample, showProgress } from "./measure.ts";
import { measureMemory } from "./memory.ts";
import { measureProbe } from "./probe.ts";
import { measureProfiles } from "./profile.ts";
import { infisical, secretsManager } from "./quotas.ts";
import { DIST } from "./stage.ts";
import { measureOutput, measureReads, measureRefresh, measureServer } from "./steady.ts";
import { printClaims, printProfiles, printResults } from "./table.ts";

const QUICK: readonly BootCase[] = [
  { secrets: 1, latencyMs: 0, shell: true },
  { secrets: 20, latencyMs: 0 },
  { secrets: 20, latencyMs: 2 },
  { secrets: 200, latencyMs: 2 },
];
const CASES: readonly BootCase[] = [1, 20, 200, 1_000].flatMap((secrets) =>
  [0, 2].map((latencyMs) => ({ secrets, latencyMs, shell: secrets <= 20 && latencyMs === 0 })),
);
const FLEETS = [10, 100, 1_000, 10_000];
const HOUR_MS = 3_600_000;

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    profile: { type: "boolean", default: false },
    runs: { type: "string" },
    slack: { type: "string", default: "1" },
    out: { type: "string", default: "bench.json" },
  },
});
const { quick } = values;
const runs = Number(values.runs ?? (quick ? 7 : 20));
const slack = Number(values.slack);

if (values.profile) {
  printProfiles(await measureProfiles(runs));
  process.exit();
}
const results = await measureAll();
const claims = claimsOf(results);
const machine = { node: process.version, date: new Date().toISOString(), runs };
writeFileSync(values.out, `${JSON.stringify({ ...machine, claims, results }, null, 2)}\n`);
printResults(results);
const broken = claims.filter((claim: Claim) => !holds(claim, slack));
printClaims(claims, slack);
console.log(`\nNode ${machine.node}, medians of ${runs} runs; all figures are in ${values.out}`);
process.exit(broken.length > 0 ? 1 : 0);

async function measureAll(): Promise<Results> {
  return {
    boot: await measureBoot(quick ? QUICK : CASES, runs),
    probe: await measureProbe(runs),
    reads: await measureReads(runs),
    handle: measureHandle(),
    server: await measureServer(quick ? 3 : runs / 2, quick ? 1 : 2),
    output: await measureOutput(runs),
    refresh: await measureRefresh(runs),
    memory: await measureMemory(quick ? 1 : 5),
    bundle: readFileSync(`${DIST}entrypoint.mjs`).length,
    packages: JSON.parse(readFileSync(`${DIST}sizes.json`, "utf8")),
    fleet: await simulateFleets(),
    loops: await simulateLoops(),
    locked: await simulateLocks(),
  };
}

/** Not as long as all of the boots together would take: on a clock of their own. */
async function simulateFleets(): Promise<FleetResult[]> {
  const fleets: FleetResult[] = [];
  for (const containers of fleetSizes()) {
    showProgress("fleet", `${containers} containers`);
    fleets.push(await simulateStart(secretsManager(20), containers));
    // Two lists a container take longer than bootTimeout's 120 s, by this quota alone.
    fleets.push(await simulateStart(infisical, containers, { bootTimeoutMs: 24 * HOUR_MS }));
  }
  return fleets;
}

async function simulateLoops(): Promise<LoopResult[]> {
  const loops: LoopResult[] = [];
  for (const containers of fleetSizes()) {
    showProgress("crash loop", `${containers} containers`);
    for (const manager of [secretsManager(20), infisical]) {
      loops.push(await simulateCrashLoop(manager, containers));
    }
  }
  return loops;
}

async function simulateLocks(): Promise<Sample> {
  const locked: Record<string, number> = {};
  for (const containers of [1, 2, 3, 5, 10]) {
    const hours = [];
    for (let seed = 1; seed <= 20; seed++) hours.push(await simulateRefusals(containers, seed));
    locked[containers] = hours.reduce((sum, share) => sum + share) / hours.length;
  }
  return locked;
}

function fleetSizes(): readonly number[] {
  return quick ? FLEETS.slice(0, 3) : FLEETS;
}
