/** The database room: the table of dialects, and connections that wait for a database which is still starting. */
import type { ConnectionNames } from "../config/database.ts";
import { SallyportError } from "../errors.ts";
import type { Log } from "../log.ts";
import { retry } from "../retry.ts";
import type { Session } from "./session.ts";
import { type Dialect, parseTarget, type Target, type TargetOptions } from "./target.ts";

export interface Database {
  readonly dialect: Dialect;
  /** For messages: `shop on db.internal:5432 as migrator`. */
  readonly title: string;
  /** `undefined` where there are no users. */
  readonly user: string | undefined;
  /** @throws {SallyportError} DATABASE_REFUSED, or DATABASE_UNREACHABLE when it is not up before the signal's deadline */
  connect(signal: AbortSignal): Promise<Session>;
}

/** Opens one session; a `TransientError` is tried again. */
export type Open = (target: Target, signal: AbortSignal) => Promise<Session>;

const DIALECTS: Readonly<Record<Dialect, (directory: string) => Promise<Open>>> = {
  postgres: async () => (await import("./postgres.ts")).openPostgres,
  mysql: async (directory) => (await import("./mysql.ts")).openMysql(directory),
  sqlite: async () => (await import("./sqlite.ts")).openSqlite,
};

export interface DatabaseOptions extends TargetOptions {
  readonly log: Log;
}

/** @throws {SallyportError} DATABASE_INVALID when the settings do not say where the database is */
export async function openDatabase(names: ConnectionNames, options: DatabaseOptions): Promise<Database> {
  const { directory, log } = options;
  const target = parseTarget(names, options);
  const open = await DIALECTS[target.dialect](directory);
  const { title } = target;
  return {
    dialect: target.dialect,
    title,
    user: target.user || undefined,
    connect: (signal) => retry(() => open(target, signal), { target: title, signal, log, unreachable }),
  };
}

function unreachable(title: string, why: string, cause: unknown): SallyportError {
  return new SallyportError("DATABASE_UNREACHABLE", `${title} could not be reached in time: ${why}`, {
    hint: "Is it running, and may this container reach it? A database that is only starting is waited for.",
    cause,
  });
}
