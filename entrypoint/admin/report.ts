/** An answer of the admin server as a person reads it on a terminal. */
import type { Refreshed } from "../refresh.ts";
import type { LastRefresh } from "../status.ts";
import type { StatusBody } from "./rotation.ts";

export type Action = "health" | "status" | "refresh";

interface Failure {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly problems: readonly { readonly subject: string; readonly message: string }[];
  };
}

export function describeAnswer(action: Action, body: string): string {
  const answer = JSON.parse(body) as object;
  if ("error" in answer) return describeFailure(answer as Failure);
  if (action === "status") return describeStatus(answer as StatusBody);
  return action === "refresh" ? describeRefresh(answer as Refreshed) : describeFields(answer);
}

function describeFailure({ error: { code, message, problems } }: Failure): string {
  const listed = problems.map(({ subject, message }) => `✖ ${subject} ${message}`);
  return [...listed, `${message} (${code})`].join("\n");
}

function describeRefresh({ ms, changed, pools, failedSubscribers }: Refreshed): string {
  if (changed.length === 0) return `✔ nothing changed; asked and compared in ${ms} ms`;
  const failed =
    failedSubscribers > 0
      ? [`! ${failedSubscribers} of the app's onRefresh functions failed; its log says how`]
      : [];
  return [
    `✔ refreshed in ${ms} ms`,
    ...changed.map((name) => `  changed ${name}`),
    ...pools.map(({ name, from = "?", to = "?" }) => `  pool ${name}: ${from} → ${to}`),
    ...failed,
  ].join("\n");
}

function describeStatus({ ok, phase, since, ...status }: StatusBody): string {
  const { fetched, logins, checks, draining, mask, refresh, settings } = status;
  const mark = (isWell: boolean) => (isWell ? "✔" : "✖");
  return [
    `${mark(ok)} ${ok ? "in order" : "not in order"}: ${phase} since ${since}`,
    ...(fetched ? [`  fetched ${fetched.at} from ${fetched.provider} as ${fetched.identity}`] : []),
    ...logins.map(
      ({ name, ok, user = "?", ms, problem }) =>
        `${mark(ok)} login ${name} as ${user}: ${problem ?? "works"} (${ms} ms)`,
    ),
    ...Object.entries(checks).map(
      ([name, { ok, ms }]) => `${mark(ok)} check ${name}: ${ok ? "passes" : "fails"} (${ms} ms)`,
    ),
    ...draining.map(({ name, since }) => `  pool ${name}: an old one drains since ${since}`),
    ...Object.entries(mask.hits).map(
      ([name, count]) => `! ${name} was kept out of the output ${count} ${count === 1 ? "time" : "times"}`,
    ),
    ...(mask.unmasked.length > 0
      ? [`  too short or too common to be kept out of the output: ${mask.unmasked.join(", ")}`]
      : []),
    ...(refresh.last ? [`  last refresh: ${describeLast(refresh.last)}`] : []),
    ...settings.map(
      ({ name, set, age, origins }) =>
        `  ${name}: ${set ? `${origins.map(describeOrigin).join(", ")}, held for ${describeAge(age)}` : "not set"}`,
    ),
  ].join("\n");
}

function describeLast({ at, by, done, changed = [], code, message }: LastRefresh): string {
  const result = done
    ? changed.length === 0
      ? "nothing changed"
      : `${changed.join(", ")} changed`
    : `refused, ${message} (${code})`;
  return `${at}, asked by ${by}: ${result}`;
}

function describeOrigin({
  source,
  version,
  expiresAt,
}: StatusBody["settings"][number]["origins"][number]): string {
  return `${source}${version === undefined ? "" : `, version ${version}`}${expiresAt === undefined ? "" : `, until ${expiresAt}`}`;
}

/** The two largest units. @param age in seconds */
function describeAge(age: number): string {
  const units = [
    [86_400, "d"],
    [3_600, "h"],
    [60, "min"],
    [1, "s"],
  ] as const;
  const first = units.findIndex(([seconds]) => age >= seconds);
  if (first < 0) return "0 s";
  let rest = age;
  const parts = units.slice(first, first + 2).flatMap(([seconds, unit]) => {
    const count = Math.floor(rest / seconds);
    rest -= count * seconds;
    return count > 0 ? [`${count} ${unit}`] : [];
  });
  return parts.join(" ");
}

/** One `name: value` a line. */
function describeFields(answer: object): string {
  return Object.entries(answer)
    .map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`)
    .join("\n");
}
