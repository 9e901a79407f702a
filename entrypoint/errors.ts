/** Ground floor: the one error class and the one table of codes. README.md lists every code (checked by a test). */

/** `exit` is the process's exit code, `status` the HTTP status of an admin answer. */
export const CODES = {
  USAGE_INVALID: { exit: 64, meaning: "a word or flag on the command line is unknown" },
  CONFIG_INVALID: { exit: 78, meaning: "the config file is missing, unreadable or has errors" },
  ENVIRONMENT_INVALID: {
    exit: 78,
    meaning: "ENVIRONMENT or REGION is missing, or the config has no such environment",
  },
  BOOTSTRAP_INVALID: {
    exit: 78,
    meaning: "a value needed to log in to the manager is missing or unreadable",
  },
  SETTINGS_INVALID: { exit: 78, meaning: "settings are missing or invalid; every one of them is listed" },
  ADMIN_UNAVAILABLE: { exit: 78, meaning: "the admin address or socket can't be opened" },
  IDENTITY_MISSING: { exit: 77, meaning: "nothing here can prove to the manager who this container is" },
  IDENTITY_REFUSED: { exit: 77, meaning: "the manager refused the login" },
  SECRET_DENIED: { exit: 77, meaning: "the login works, but may not read the secrets that are listed" },
  MANAGER_UNREACHABLE: {
    exit: 69,
    meaning: "the manager did not answer, or only with failures, until the deadline",
  },
  MANAGER_ANSWER_INVALID: { exit: 69, meaning: "the manager's answer is not what its API promises" },
  DATABASE_INVALID: { exit: 78, meaning: "the settings do not say where the database is" },
  DATABASE_REFUSED: { exit: 77, meaning: "the database refused the login" },
  DATABASE_UNREACHABLE: { exit: 69, meaning: "the database did not answer until the deadline" },
  DRIVER_MISSING: { exit: 78, meaning: "the app's node_modules lack the driver for its database" },
  MIGRATION_LOCKED: { exit: 75, meaning: "another process held the migration lock until lockTimeout" },
  MIGRATION_INVALID: {
    exit: 79,
    meaning: "migrations and the database's books disagree, or there is no migrator; nothing was applied",
  },
  MIGRATION_PENDING: { exit: 79, meaning: "migrations are not applied, and this container may only check" },
  MIGRATION_FAILED: { exit: 79, meaning: "a migration failed; what came before it is applied" },
  SCHEMA_INVALID: {
    exit: 80,
    meaning: "the database is not what the app expects; every difference is listed",
  },
  GUARD_REFUSED: {
    exit: 81,
    meaning: "something around the process exposes its secrets; everything that does is listed",
  },
  WARM_FAILED: { exit: 70, meaning: "the warm module threw, or did not end in time" },
  BOOT_TIMEOUT: { exit: 70, meaning: "the app was not ready before bootTimeout" },
  APP_EXPORT_MISSING: {
    exit: 70,
    meaning: "the app's module exports neither start() nor a default function",
  },
  APP_FAILED: { exit: 70, meaning: "the app threw while it was starting" },
  APP_CRASHED: { exit: 70, meaning: "an error that nobody caught ended the running app" },
  SHUTDOWN_FAILED: { exit: 70, meaning: "something did not close, or not before shutdownTimeout" },
  INTERNAL: { exit: 70, meaning: "a fault in Sallyport itself; please report it" },
  CONTAINER_UNREACHABLE: { exit: 1, meaning: "no running Sallyport answers on the admin socket" },
  NOT_READY: { status: 409, meaning: "the container is not ready yet, or is leaving already" },
  REFRESH_RUNNING: { status: 409, meaning: "another refresh is running; its answer goes to whoever asked" },
  CREDENTIALS_REFUSED: {
    status: 424,
    meaning: "the new credentials do not work; nothing was changed",
  },
  ROUTE_UNKNOWN: { status: 404, meaning: "the admin server has no such route" },
  REQUEST_INVALID: { status: 400, meaning: "that is not a request the admin server understands" },
  METHOD_REFUSED: { status: 405, meaning: "the route exists, but not for this method" },
  TOKEN_REFUSED: { status: 401, meaning: "the bearer token is missing or wrong" },
  FORWARDED_REFUSED: { status: 403, meaning: "the request came through a proxy; ask the container itself" },
} as const satisfies Record<string, { exit?: number; status?: number; meaning: string }>;

export type ErrorCode = keyof typeof CODES;

/** One thing that is wrong. `subject` is a name or a path, never a value. */
export interface Problem {
  readonly subject: string;
  readonly message: string;
  readonly kind?: "missing" | "invalid" | "denied";
}

/** A random time between these, in milliseconds. */
export interface Rest {
  readonly leastMs: number;
  readonly mostMs: number;
  /** When the container has been started before, if that is something else. */
  readonly mostAgainMs?: number;
  /** What somebody who tries again and again has to keep between two tries, so that they do not add up. */
  readonly apartMs: number;
}

interface Details {
  /** What to do about it, as an imperative sentence. */
  readonly hint?: string | undefined;
  readonly problems?: readonly Problem[];
  /** How long the other side must be left alone: a login that is refused again too soon locks the identity. */
  readonly rest?: Rest | undefined;
  readonly cause?: unknown;
}

/** Says what failed, on what, and why (`message`), what to do (`hint`), and everything that is wrong (`problems`). */
export class SallyportError extends Error {
  override readonly name = "SallyportError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly problems: readonly Problem[];
  readonly rest: Rest | undefined;

  constructor(code: ErrorCode, message: string, { hint, problems = [], rest, cause }: Details = {}) {
    super(message, { cause });
    this.code = code;
    this.hint = hint;
    this.problems = problems;
    this.rest = rest;
  }

  get exitCode(): number {
    const entry = CODES[this.code];
    return "exit" in entry ? entry.exit : CODES.INTERNAL.exit;
  }
}

/** The machine-readable name of a foreign error: `ECONNREFUSED`, `AccessDeniedException`. Never its message, which may carry values. */
export function errorName(error: unknown): string {
  try {
    if (!(error instanceof Error)) return typeof error;
    const { code } = error as { code?: unknown };
    return typeof code === "string" ? code : String(error.name);
  } catch {
    return typeof error; // a getter or a Proxy that throws
  }
}
