/** What `/secrets/status` and `/secrets/refresh` answer: names, versions, times and user names, never a value. */
import { CODES, SallyportError } from "../errors.ts";
import type { Asker, Refresh } from "../refresh.ts";
import type { LastRefresh, Status } from "../status.ts";
import type { Answer } from "./routes.ts";

/** A fresh login with the credentials held now. */
export interface LoginReport {
  readonly name: string;
  readonly user: string | undefined;
  readonly ok: boolean;
  readonly ms: number;
  readonly problem?: string | undefined;
}

/** Of one setting. */
export interface SettingReport {
  readonly name: string;
  readonly secret: boolean;
  /** False when it is off, or optional and absent. */
  readonly set: boolean;
  readonly since: string;
  readonly origins: readonly {
    readonly source: string;
    readonly version: string | undefined;
    readonly expiresAt: string | undefined;
  }[];
}

export interface RotationSources {
  readonly status: Status;
  readonly refresh: Refresh;
  settings(): readonly SettingReport[];
  /** One for each pool, and one for the config's own database. */
  probe(): Promise<readonly LoginReport[]>;
  draining(): readonly { readonly name: string; readonly since: string }[];
  /** How often a value was kept from being shown, by setting; and settings whose values can't be blanked out. */
  mask(): { readonly hits: Readonly<Record<string, number>>; readonly unmasked: readonly string[] };
  runChecks(): Promise<Readonly<Record<string, { readonly ok: boolean; readonly ms: number }>>>;
}

export interface Rotation {
  secretsStatus(): Promise<Answer>;
  refresh(by: Asker): Promise<Answer>;
}

export function createRotation(sources: RotationSources): Rotation {
  // Each asking logs in anew everywhere: those who ask meanwhile get the same answer, but for one from before a refresh.
  let asked: { readonly since: LastRefresh | undefined; readonly answer: Promise<Answer> } | undefined;
  return {
    secretsStatus() {
      const { refresh: since } = sources.status;
      if (asked && asked.since === since) return asked.answer;
      const mine = { since, answer: describeStatus(sources) };
      asked = mine;
      return mine.answer.finally(() => {
        if (asked === mine) asked = undefined;
      });
    },
    async refresh(by) {
      try {
        return { status: 200, body: await sources.refresh.run(by) };
      } catch (error) {
        return describeRefusal(error);
      }
    },
  };
}

/** The body of `/secrets/status`. */
export interface StatusBody extends Pick<Status, "phase" | "since" | "fetched"> {
  /** Ready, and every login and check is well. */
  readonly ok: boolean;
  readonly logins: readonly LoginReport[];
  readonly checks: Awaited<ReturnType<RotationSources["runChecks"]>>;
  readonly draining: ReturnType<RotationSources["draining"]>;
  readonly mask: ReturnType<RotationSources["mask"]>;
  readonly refresh: { readonly running: boolean; readonly last: LastRefresh | undefined };
  /** `age` in seconds. */
  readonly settings: readonly (SettingReport & { readonly age: number })[];
}

async function describeStatus(sources: RotationSources): Promise<Answer> {
  const body = await readStatus(sources);
  return { status: body.ok ? 200 : 503, body };
}

async function readStatus(sources: RotationSources): Promise<StatusBody> {
  const wasReady = sources.status.phase === "ready";
  const [logins, checks] = wasReady ? await Promise.all([sources.probe(), sources.runChecks()]) : [[], {}];
  // Read together, and at the end: in the meantime there may have been a refresh.
  const { phase, since, fetched, refresh: last } = sources.status;
  const isWell = logins.every(({ ok }) => ok) && Object.values(checks).every(({ ok }) => ok);
  return {
    ok: phase === "ready" && isWell,
    phase,
    since,
    fetched,
    logins,
    checks,
    draining: sources.draining(),
    mask: sources.mask(),
    refresh: { running: sources.refresh.isRunning(), last },
    settings: sources.settings().map((setting) => ({ ...setting, age: ageOf(setting.since) })),
  };
}

/** In whole seconds. */
function ageOf(since: string): number {
  return Math.max(0, Math.round((Date.now() - Date.parse(since)) / 1000));
}

/** The manager's side is at fault in all that the table gives no status of its own. */
const MANAGER_FAILED = 502;

function describeRefusal(error: unknown): Answer {
  if (!(error instanceof SallyportError)) throw error;
  const { code, message, hint, problems } = error;
  const entry = CODES[code];
  const status = "status" in entry ? entry.status : code === "INTERNAL" ? 500 : MANAGER_FAILED;
  return {
    status: code === "SETTINGS_INVALID" ? 422 : status,
    body: { error: { code, message: hint ? `${message}. ${hint}` : message, problems } },
  };
}
