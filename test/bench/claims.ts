/** What this product promises about its costs, and what was measured of it. */
import type { LoopResult } from "./crash-loop.ts";
import type { FleetResult } from "./fleet.ts";
import type { HandleCosts } from "./handle.ts";
import type { Medians, Sample } from "./measure.ts";

export interface Results {
  /** By case: `20 secrets, 0 ms`. */
  readonly boot: Readonly<Record<string, Medians>>;
  readonly probe: Medians;
  readonly memory: Sample;
  readonly reads: Medians;
  readonly handle: HandleCosts;
  readonly server: Medians;
  readonly output: Medians;
  readonly refresh: Sample | undefined;
  /** Bytes: of the bundle, and in it by package. */
  readonly bundle: number;
  readonly packages: Sample;
  readonly fleet: readonly FleetResult[];
  readonly loops: readonly LoopResult[];
  /** By containers with a wrong secret: how much of an hour their identity is locked. */
  readonly locked: Sample;
}

export interface Claim {
  readonly what: string;
  readonly value: number;
  readonly unit: "×" | "MB" | "KB";
  readonly atMost?: number;
  readonly atLeast?: number;
  /** Comes out the same whatever the machine: no slack is due. */
  readonly exact?: boolean;
}

/** Those that were measured here: without a shell and its programs there is nothing to compare with. */
export function claimsOf(results: Results): Claim[] {
  const all = [
    ...bootClaims(results),
    ...probeClaims(results),
    ...steadyClaims(results),
    ...fixedClaims(results),
  ];
  return all.filter(({ value }) => !Number.isNaN(value));
}

export function holds({ value, atMost, atLeast, exact }: Claim, slack: number): boolean {
  const room = exact ? 1 : slack;
  return value <= (atMost ?? Number.POSITIVE_INFINITY) * room && value >= (atLeast ?? 0) / room;
}

function bootClaims({ boot }: Results): Claim[] {
  const ms = (title: string, way: string) => boot[title]?.[way]?.ms ?? Number.NaN;
  const ours = (title: string) => ms(title, "sallyport");
  const [one, twenty, slow, many] = [
    "1 secret, 0 ms",
    "20 secrets, 0 ms",
    "20 secrets, 2 ms",
    "200 secrets, 2 ms",
  ];
  const than = (what: string, value: number, atMost: number): Claim => ({ what, value, unit: "×", atMost });
  return [
    than("boot on AWS, 20 secrets ÷ plain SDK script", ours(twenty) / ms(twenty, "sdk"), 0.75),
    than("boot on AWS, 20 secrets ÷ signed by hand", ours(twenty) / ms(twenty, "signed"), 1.7),
    than("boot on AWS, 1 secret ÷ sh, aws and jq", ours(one) / ms(one, "shell"), 0.15),
    than("boot on AWS, 20 secrets ÷ sh, aws and jq", ours(twenty) / ms(twenty, "shell"), 0.01),
    than("boot on AWS at 2 ms, 200 secrets ÷ 20 secrets", ours(many) / ours(slow), 1.2),
  ];
}

function probeClaims({ probe }: Results): Claim[] {
  const { node, healthcheck, "node -e fetch": fetch } = probe as Record<string, Sample>;
  const of = (sample: Sample | undefined, name: string) => sample?.[name] ?? Number.NaN;
  const ratio = (other: Sample | undefined) => of(healthcheck, "ms") / of(other, "ms");
  return [
    { what: "healthcheck ÷ bare Node", value: ratio(node), unit: "×", atMost: 1.3 },
    { what: "healthcheck ÷ node -e fetch(…)", value: ratio(fetch), unit: "×", atMost: 0.6 },
    {
      what: "healthcheck − bare Node",
      value: of(healthcheck, "rssMb") - of(node, "rssMb"),
      unit: "MB",
      atMost: 8,
    },
  ];
}

function steadyClaims({ memory, reads, server, output }: Results): Claim[] {
  const { bare = Number.NaN, sdk = Number.NaN, sallyport = Number.NaN } = memory;
  const ratio = (medians: Medians, of: string, to: string, name: string) =>
    (medians[of]?.[name] ?? Number.NaN) / (medians[to]?.[name] ?? Number.NaN);
  return [
    { what: "memory kept − bare Node", value: sallyport - bare, unit: "MB", atMost: 10 },
    { what: "memory kept ÷ plain SDK script", value: sallyport / sdk, unit: "×", atMost: 1 },
    {
      what: "requests a second ÷ bare server",
      value: ratio(server, "sallyport", "bare", "rps"),
      unit: "×",
      atLeast: 0.98,
    },
    {
      what: "a read of a setting ÷ of a property",
      value: ratio(reads, "settings", "plain", "ns"),
      unit: "×",
      atMost: 3,
    },
    {
      what: "lines a second ÷ bare app",
      value: ratio(output, "sallyport", "bare", "lps"),
      unit: "×",
      atLeast: 0.9,
    },
  ];
}

function fixedClaims({ bundle, fleet, loops, locked }: Results): Claim[] {
  const slowest = (manager: string) =>
    fleet.find((it) => it.manager === manager && it.containers === 1_000)?.ratio ?? Number.NaN;
  return [
    { what: "entrypoint.mjs", value: bundle / 1000, unit: "KB", atMost: 700, exact: true },
    ...[...new Set(fleet.map(({ manager }) => manager))].map(
      (manager): Claim => ({
        ...{ what: `1,000 containers at once, ${manager} ÷ its quota's bound`, value: slowest(manager) },
        ...{ unit: "×", atMost: 1.5, exact: true },
      }),
    ),
    loopClaim(loops, "Secrets Manager", 1_000),
    loopClaim(loops, "Infisical", 10),
    {
      what: "an hour of two wrong logins, locked ÷ all of it",
      value: locked["2"] ?? Number.NaN,
      unit: "×",
      atMost: 0,
      exact: true,
    },
  ];
}

function loopClaim(loops: readonly LoopResult[], name: string, containers: number): Claim {
  const loop = loops.find((it) => it.manager.startsWith(name) && it.containers === containers);
  const what = `${containers.toLocaleString("en")} containers in a crash loop, worst minute, ${loop?.manager} ÷ its quota`;
  return { what, value: loop?.storm.share ?? Number.NaN, unit: "×", atMost: 1, exact: true };
}
