/** A fresh login to the config's own database. Of an unmodified server it is the only one that is known. */
import type { ParsedConfig } from "./config/config.ts";
import { openDatabase } from "./database/database.ts";
import { errorName, type Problem, SallyportError } from "./errors.ts";
import type { Log } from "./log.ts";
import { assertSchema, checkSchema, loadExpectations } from "./schema/schema.ts";
import type { Settings } from "./settings/settings.ts";

export interface Login {
  readonly name: "database";
  /** `undefined` where there are no users, or the settings name none. */
  readonly user: string | undefined;
  readonly ms: number;
  /** Empty when it works, and may do what the app is said to need: of two users, one is easily forgotten by a GRANT. */
  readonly problems: readonly Problem[];
}

/** @param settings those that are in use, or those that are to be */
export async function logIn(
  { database, directory }: Pick<ParsedConfig, "database" | "directory">,
  settings: Settings,
  signal: AbortSignal,
  log: Log,
): Promise<Login | undefined> {
  if (!database) return undefined;
  const started = performance.now();
  const readText = (name: string) => (settings[name] === undefined ? undefined : String(settings[name]));
  let user: string | undefined;
  let problems: readonly Problem[] = [];
  try {
    const opened = await openDatabase(database.connection, { readText, directory, log });
    user = opened.user;
    const session = await opened.connect(signal);
    try {
      if (database.expect !== undefined)
        assertSchema(
          await checkSchema(session, opened.dialect, await loadExpectations(database.expect), signal),
        );
    } finally {
      await session.close();
    }
  } catch (error) {
    problems = describe(error);
  }
  return { name: "database", user, ms: Math.round(performance.now() - started), problems };
}

function describe(error: unknown): readonly Problem[] {
  const at = (message: string): Problem => ({ subject: "database", message });
  if (!(error instanceof SallyportError)) return [at(`the login failed (${errorName(error)})`)];
  return error.problems.length > 0 ? error.problems : [at(error.message)];
}
