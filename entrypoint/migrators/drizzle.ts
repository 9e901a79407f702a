/** Drizzle's own `migrate`, watched: it skips what is older than the last applied one, and never says so. drizzle-orm 0.x. */
import { fileURLToPath } from "node:url";
import { booksReader, type Row } from "./drizzle-books.ts";
import { BREAKPOINT, type DrizzleFile, readJournal } from "./drizzle-journal.ts";
import { type Migrator, MigratorError, type MigratorStatus, reasonOf } from "./migrator.ts";

/** What Drizzle's `migrate` takes as its last argument. */
export interface DrizzleConfig {
  migrationsFolder: string;
  migrationsTable?: string;
  migrationsSchema?: string;
}

export interface DrizzleOptions<Db extends object> {
  /** Of the driver in use, such as `drizzle-orm/node-postgres/migrator`. */
  readonly migrate: (db: Db, config: DrizzleConfig) => unknown;
  readonly db: Db;
  /** What drizzle-kit writes: `meta/_journal.json`, and an SQL file for each of its entries. */
  readonly folder: string | URL;
  /** Where they are not drizzle-kit's defaults. */
  readonly migrationsTable?: string;
  readonly migrationsSchema?: string;
  /** Runs a SELECT and returns its rows. By default `db.execute` or, for SQLite, `db.all`. */
  readonly query?: (sql: string) => Promise<readonly Row[]>;
}

/** Drizzle puts everything that is pending into one transaction, so `CREATE INDEX CONCURRENTLY` can't be among it. */
export function drizzle<Db extends object>(options: DrizzleOptions<Db>): Migrator {
  const { migrate, db, migrationsTable, migrationsSchema } = options;
  const folder = typeof options.folder === "string" ? options.folder : fileURLToPath(options.folder);
  const readBooks = booksReader(options);
  const status = async () => {
    const { files, problems } = await readJournal(folder);
    return compare(files, await readBooks(), problems);
  };
  return {
    name: "Drizzle",
    status,
    async up() {
      const { pending } = await status();
      try {
        await migrate(db, {
          migrationsFolder: folder,
          ...(migrationsTable !== undefined && { migrationsTable }),
          ...(migrationsSchema !== undefined && { migrationsSchema }),
        });
      } catch (error) {
        throw await toMigratorError(error, folder, pending);
      }
      return pending;
    },
  };
}

/** Drizzle looks at the greatest `created_at` alone; each file is looked up here. https://github.com/drizzle-team/drizzle-orm/issues/874 */
function compare(
  files: readonly DrizzleFile[],
  rows: readonly Row[],
  found: MigratorStatus["problems"],
): MigratorStatus {
  const byTime = new Map(rows.map((row) => [Number(row.created_at), String(row.hash)]));
  const times = new Set(files.map(({ when }) => when));
  const loose = rows.filter((row) => !times.has(Number(row.created_at)));
  const watermark = rows.length > 0 ? Math.max(...byTime.keys()) : undefined;

  const applied: string[] = [];
  const pending: string[] = [];
  const problems = [...found];
  for (const { tag, when, hashes } of files) {
    const recorded = byTime.get(when);
    const isElsewhere = loose.some(({ hash }) => hashes.includes(String(hash)));
    const isSkipped = watermark !== undefined && when <= watermark;
    if (recorded === undefined && !isElsewhere) pending.push(tag);
    else applied.push(tag);
    const fault = faultOf({
      isEdited: recorded !== undefined && !hashes.includes(recorded),
      recorded,
      isElsewhere,
      isSkipped,
    });
    if (fault) problems.push({ subject: tag, message: fault });
  }
  const newest = Math.max(0, ...times);
  const newer = loose
    .filter(({ created_at }) => Number(created_at) > newest)
    .map(({ created_at }) => `the one of ${new Date(Number(created_at)).toISOString()}`);
  return { applied, pending, problems, newer };
}

interface Findings {
  readonly recorded: string | undefined;
  readonly isEdited: boolean;
  /** Applied under a time that the journal does not have any more. */
  readonly isElsewhere: boolean;
  readonly isSkipped: boolean;
}

function faultOf({ recorded, isEdited, isElsewhere, isSkipped }: Findings): string | undefined {
  if (isEdited) return "was edited after it was applied; restore it, and put the change into a new file";
  if (recorded !== undefined) return undefined;
  if (isElsewhere)
    return isSkipped
      ? undefined
      : 'was applied under an older time, so Drizzle would apply it again; restore its "when" in meta/_journal.json';
  return isSkipped
    ? 'is older than the last applied one, so Drizzle would skip it; generate it again, or give it the time of now as "when" in meta/_journal.json, and put its entry last'
    : undefined;
}

/** The error has the statement, and only the files know whose it is. Of two that have the same, the first one got through. */
async function toMigratorError(
  error: unknown,
  folder: string,
  pending: readonly string[],
): Promise<MigratorError> {
  const { query, cause = error } = (error ?? {}) as { query?: string; cause?: unknown };
  const { files } = await readJournal(folder);
  const file = files.findLast(
    ({ tag, text }) =>
      pending.includes(tag) && text.split(BREAKPOINT).some((statement) => statement === query),
  );
  return new MigratorError(file?.tag, reasonOf(cause), error);
}
