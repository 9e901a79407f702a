/** The figures, to look at. */
import { type Claim, holds, type Results } from "./claims.ts";

import type { Medians, Sample } from "./measure.ts";

type Row = readonly (string | number | undefined)[];

export function printResults(results: Results): void {
  const { boot, probe, memory, reads, handle, server, output, refresh, packages, fleet, loops, locked } =
    results;
  const titles = Object.keys(boot);
  const ways = [...new Set(Object.values(boot).flatMap((medians) => Object.keys(medians)))];
  print("Boot to the first line of the app, ms", [
    ["", ...titles],
    ...ways.map((way) => [way, ...titles.map((title) => boot[title]?.[way]?.ms)]),
  ]);
  print("Probe", [
    ["", "ms", "CPU ms", "peak MB"],
    ...Object.entries(probe).map(([name, { ms, cpuMs, rssMb }]): Row => [name, ms, cpuMs, rssMb]),
  ]);
  print("Steady", [
    ["", "as it is", "under Sallyport"],
    ["memory kept, MB (SDK script: see below)", memory.bare, memory.sallyport],
    ["requests a second", server.bare?.rps, server.sallyport?.rps],
    ["lines a second on stdout", output.bare?.lps, output.sallyport?.lps],
    ["a read of a setting, ns", reads.plain?.ns, reads.settings?.ns],
    ["a read of a pool's property, ns", handle.read.bare, handle.read.handle],
    ["a call of a pool's method, ns", handle.call.bare, handle.call.handle],
    ["a refresh without changes, ms", undefined, refresh?.ms],
    ["memory kept by the SDK script, MB", memory.sdk, undefined],
  ]);
  print("A fleet that starts at once (simulated)", [
    ["", "containers", "last ready, s", "bound, s", "÷", "failed", "throttled"],
    ...fleet.map(({ manager, containers, lastMs, boundMs, ratio, failed, throttled }): Row => {
      return [
        manager,
        String(containers),
        lastMs / 1000,
        boundMs / 1000,
        ratio,
        String(failed),
        String(throttled),
      ];
    }),
  ]);
  print("A crash loop under Docker's restarts (simulated)", [
    ["", "containers", "worst minute ÷ quota", "throttled", "at rest ÷ quota", "throttled"],
    ...loops.map(({ manager, containers, storm, settled }): Row => {
      return [manager, String(containers), storm.share, storm.throttled, settled.share, settled.throttled];
    }),
  ]);
  print("An hour of wrong logins at Infisical (simulated)", [
    ["containers", "locked, of it"],
    ...Object.entries(locked).map(([containers, share]): Row => [containers, share]),
  ]);
  print(
    "entrypoint.mjs by package, KB",
    Object.entries(packages)
      .slice(0, 10)
      .map(([name, bytes]) => [name, bytes / 1000]),
  );
}

export function printProfiles(profiles: Medians): void {
  const names = Object.keys(profiles);
  const owners = Object.keys(Object.values(profiles)[0] ?? {});
  const sum = (sample: Sample | undefined) => Object.values(sample ?? {}).reduce((all, ms) => all + ms, 0);
  print("Where the time of a start goes, ms", [
    ["", ...names],
    ...owners.map((owner): Row => [owner, ...names.map((name) => profiles[name]?.[owner])]),
    ["all", ...names.map((name) => sum(profiles[name]))],
  ]);
}

export function printClaims(claims: readonly Claim[], slack: number): void {
  const rows = claims.map((claim): Row => {
    const { what, value, unit, atMost, atLeast } = claim;
    const limit = atMost === undefined ? `at least ${atLeast}` : `at most ${atMost}`;
    return [`${holds(claim, slack) ? "✔" : "✖"} ${what}`, value.toFixed(3), unit, limit];
  });
  print(slack === 1 ? "Promises" : `Promises, with a slack of ${slack}`, rows);
}

function print(title: string, rows: readonly Row[]): void {
  const cells = rows.map((row) => row.map(show));
  const widths = cells.reduce<number[]>(
    (widest, row) => row.map((cell, column) => Math.max(cell.length, widest[column] ?? 0)),
    [],
  );
  console.log(`\n${title}`);
  for (const row of cells) {
    const padded = row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column] as number) : cell.padStart(widths[column] as number),
    );
    console.log(`  ${padded.join("  ")}`.trimEnd());
  }
}

function show(cell: string | number | undefined): string {
  if (typeof cell !== "number") return cell ?? "–";
  if (Number.isNaN(cell)) return "–";
  return cell >= 1_000 ? Math.round(cell).toLocaleString("en") : cell.toFixed(cell < 10 ? 2 : 1);
}
