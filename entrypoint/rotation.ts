/** The corridor walked again, on an operator's word: a refresh goes through the same rooms as the boot did, on a status of its own. */
import type { LoginReport, RotationSources, SettingReport } from "./admin/rotation.ts";
import type { Subscribers } from "./app/subscribers.ts";
import type { ParsedConfig } from "./config/config.ts";
import { type Problem, SallyportError } from "./errors.ts";
import { fetchSettings, hideHeld } from "./load.ts";
import type { Log } from "./log.ts";
import type { Login, logIn } from "./login.ts";
import type { Pools } from "./pool/pool.ts";
import { createRefresh, type Proved, type Refresh } from "./refresh.ts";
import { type Comparison, compareSettings } from "./settings/compare.ts";
import { createSettings, type LiveSettings } from "./settings/settings.ts";
import { createStatus } from "./status.ts";
import { startDeadline, type World } from "./step.ts";

export interface RotationParts {
  readonly live: LiveSettings;
  readonly pools: Pools;
  readonly subscribers: Subscribers;
}

/** How long one login may take. */
const PROBE_MS = 5_000;

export function openRefresh(config: ParsedConfig, parts: RotationParts, world: World): Refresh {
  const { live, subscribers } = parts;
  const { log, signal: stop } = world;
  /** Of the fetch whose values are swapped in at the end. */
  let fetched = world.status.fetched;
  return createRefresh({
    status: world.status,
    log,
    stop,
    timeoutMs: config.refreshTimeoutMs,
    async load(timeoutMs) {
      const deadline = startDeadline(timeoutMs, stop);
      const status = createStatus();
      const tagged: Log = (level, event, message, fields) =>
        log(level, event, message, { ...fields, refresh: true });
      try {
        const values = await fetchSettings(config, { ...world, log: tagged, status, deadline });
        fetched = status.fetched;
        return compareSettings(live.values(), values);
      } catch (error) {
        throw error instanceof SallyportError && error.code === "BOOT_TIMEOUT" ? tooLate() : error;
      } finally {
        deadline.pause();
        // The mask keeps the last values of each setting, and however many are refused, those in use have to stay.
        hideHeld(config.settings, live.values(), world.mask);
      }
    },
    async prove(comparison, timeoutMs) {
      const proved = await prove(config, comparison, { ...parts, timeoutMs }, world);
      return {
        ...proved,
        swap() {
          live.swap(comparison.values);
          proved.swap();
          world.status.fetched = fetched;
        },
      };
    },
    tell: subscribers.tell,
  });
}

/** The manager has deadlines of its own, so what hung is the app's: a validator. */
function tooLate(): SallyportError {
  return new SallyportError("SETTINGS_INVALID", "refreshTimeout passed while the new values were validated", {
    hint: "Does a validator wait for something that never comes?",
  });
}

/** Everything new logs in once. @throws {SallyportError} CREDENTIALS_REFUSED with all that does not work */
async function prove(
  config: ParsedConfig,
  { changed, values }: Comparison,
  { pools, timeoutMs }: RotationParts & { readonly timeoutMs: number },
  { signal: stop, log }: World,
): Promise<Proved> {
  const signal = AbortSignal.any([stop, AbortSignal.timeout(Math.max(0, Math.min(timeoutMs, PROBE_MS)))]);
  const names = new Set(changed);
  const { settings } = createSettings(config.settings, values);
  const isConcerned = Object.values(config.database?.connection ?? {}).some((name) => names.has(name ?? ""));
  const [login, prepared] = await Promise.all([
    isConcerned ? logInFresh(config, settings, signal, log) : undefined,
    pools.prepare(names, settings, signal).catch((error: unknown) => ({ error })),
  ]);
  const failures = [...(login?.problems ?? []), ...("error" in prepared ? problemsOf(prepared.error) : [])];
  if (!("error" in prepared) && failures.length === 0) {
    return { pools: prepared.recycled, swap: () => prepared.swap(), discard: () => prepared.discard() };
  }
  if (!("error" in prepared)) await prepared.discard();
  throw new SallyportError("CREDENTIALS_REFUSED", "the new credentials do not work", {
    hint: "Nothing was changed. Correct them at their source or in the manager, and ask again.",
    problems: failures,
  });
}

function problemsOf(error: unknown): readonly Problem[] {
  if (error instanceof SallyportError) return error.problems;
  throw error;
}

/** What `/secrets/status` shows, as functions. */
export function openReports(
  config: ParsedConfig,
  { live, pools }: RotationParts,
  world: World,
): Pick<RotationSources, "settings" | "probe" | "draining" | "mask"> {
  return {
    mask: () => ({ hits: world.mask.hits(), unmasked: world.mask.unmasked() }),
    settings: () => config.settings.flatMap((spec) => describeSetting(spec, live)),
    draining: () => pools.draining(),
    async probe() {
      const signal = AbortSignal.any([world.signal, AbortSignal.timeout(PROBE_MS)]);
      const [login, reports] = await Promise.all([
        logInFresh(config, live.settings, signal, world.log),
        pools.probe(live.settings, signal),
      ]);
      return login ? [toReport(login), ...reports] : reports;
    },
  };
}

async function logInFresh(...asked: Parameters<typeof logIn>): Promise<Login | undefined> {
  const [{ database }] = asked;
  return database && (await import("./login.ts")).logIn(...asked);
}

function toReport({ problems, ...login }: Login): LoginReport {
  const [first, ...more] = problems.map(({ message }) => message);
  const problem = more.length > 0 ? `${first} (and ${more.length} more)` : first;
  return { ...login, ok: first === undefined, problem };
}

function describeSetting(
  { name, secret }: ParsedConfig["settings"][number],
  live: LiveSettings,
): SettingReport[] {
  const held = live.values().get(name);
  if (!held) return [];
  return [{ name, secret, set: held.text !== undefined, since: held.since, origins: held.origins }];
}
