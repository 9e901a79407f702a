/** Runs a folder of migrations on a PostgreSQL, as the corridor would. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { openDatabase } from "../../entrypoint/database/database.ts";
import { openBooks } from "../../entrypoint/migrate/books.ts";
import { readFolder } from "../../entrypoint/migrate/folder.ts";
import { type MigrateOptions, migrate } from "../../entrypoint/migrate/migrate.ts";
import { runContent } from "../../entrypoint/migrate/work.ts";
import { makeFolder } from "../folder.ts";
import { query } from "../servers/postgres.ts";

export const quiet = (): void => {};

export function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = makeFolder();
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

export interface Run extends Partial<MigrateOptions> {
  readonly events?: string[];
}

export async function run(
  url: string,
  folder: string,
  { events = [], ...more }: Run = {},
): Promise<string[]> {
  const signal = more.signal ?? AbortSignal.timeout(30_000);
  const log: MigrateOptions["log"] = (_level, event, message) => void events.push(`${event} ${message}`);
  const database = await openDatabase({ url: "URL" }, { readText: () => url, directory: "/", log: quiet });
  const books = await openBooks(
    { ...database, connect: () => database.connect(signal) },
    await database.connect(signal),
  );
  try {
    const parts = {
      ...books,
      folder: await readFolder(folder),
      work: runContent(books.session, {}),
      cancel: books.session.cancel,
    };
    const options = {
      mode: "run",
      allowOutOfOrder: false,
      lockTimeoutMs: 20_000,
      progress: quiet,
      ...more,
      log,
      signal,
    } as const;
    return await migrate(parts, options);
  } finally {
    await books.close();
  }
}

/** Until a connection's last statement is this one: it runs, or its transaction is still open. */
export async function untilRunning(url: string, statement: string): Promise<void> {
  const sql =
    "select 1 from pg_stat_activity where datname = current_database() and query = $1 and state <> 'idle'";
  while ((await query(url, sql, [statement])).length === 0) await delay(20);
}

/** Ends the connection that holds the lock. */
export async function breakLock(url: string): Promise<void> {
  const sql = `select pg_terminate_backend(pid) as ended from pg_locks
    where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`;
  assert.deepEqual(await query(url, sql), [{ ended: true }]);
}
