/** Does the work of `prisma migrate deploy` on PostgreSQL, and leaves the rows that Prisma's own engine leaves. */
import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import type { Problem } from "../errors.ts";
import { type Migrator, MigratorError, type MigratorStatus, reasonOf } from "./migrator.ts";
import {
  checksumOf,
  isChecksumOf,
  type PrismaFolder,
  type PrismaMigration,
  readPrismaFolder,
} from "./prisma-folder.ts";

/** One connection: a connected `pg.Client`, or a client of a `pg.Pool`, which is not the pool itself. */
export interface PgClient {
  query(sql: string, parameters?: unknown[]): Promise<{ readonly rows: unknown[] }>;
}

export interface PrismaSqlOptions {
  /** Usually `prisma/migrations`. */
  readonly folder: string | URL;
  readonly client: PgClient;
}

interface Record {
  readonly migration_name: string;
  readonly checksum: string;
  readonly started_at: Date;
  readonly finished_at: Date | null;
  readonly rolled_back_at: Date | null;
}

/**
 * Each file goes to the database as it is and at once, as Prisma sends it: several statements are one transaction, unless the
 * file has its own, and `CREATE INDEX CONCURRENTLY` stands alone in a file. Like Prisma, it applies files in any order. A file
 * that fails keeps everything from running until `prisma migrate resolve` was told what became of it.
 */
export function prismaSql({ folder, client }: PrismaSqlOptions): Migrator {
  if ("totalCount" in client)
    throw new TypeError(
      "prismaSql takes one connection: give it a pg.Client, or what pool.connect() returns, not the pool",
    );
  const path = typeof folder === "string" ? folder : fileURLToPath(folder);
  return {
    name: "Prisma",
    async status() {
      const books = await openBooks(client);
      const found = await readPrismaFolder(path);
      return books.records ? compare(found, books.records) : begin(found, books);
    },
    async up() {
      const { records, table, searchPath } = await openBooks(client);
      const found = await readPrismaFolder(path);
      if (!records) await client.query(`create table ${table} ${COLUMNS}`);
      const { pending } = compare(found, records ?? []);
      for (const migration of found.migrations.filter(({ name }) => pending.includes(name))) {
        await apply(client, table, migration);
        // The dumps that many begin with empty the search path.
        await client.query("select set_config('search_path', $1, false)", [searchPath]);
      }
      return pending;
    },
  };
}

/** https://github.com/prisma/prisma-engines/blob/main/schema-engine/connectors/sql-schema-connector/src/flavour/postgres.rs */
const COLUMNS = `(
  id varchar(36) primary key not null,
  checksum varchar(64) not null,
  finished_at timestamptz,
  migration_name varchar(255) not null,
  logs text,
  rolled_back_at timestamptz,
  started_at timestamptz not null default now(),
  applied_steps_count integer not null default 0
)`;

interface Books {
  /** With its schema, so that a file which changes the search path does not hide it. */
  readonly table: string;
  readonly searchPath: string;
  /** `undefined` when there is no table yet. */
  readonly records: readonly Record[] | undefined;
  readonly hasOtherTables: boolean;
}

/** PostGIS keeps these in the schema of its users. */
const OF_EXTENSIONS = "spatial_ref_sys|geometry_columns|geography_columns|raster_columns|raster_overviews";

async function openBooks(client: PgClient): Promise<Books> {
  const { rows } = await client.query(
    `select quote_ident(current_schema()) || '._prisma_migrations' as table, current_setting('search_path') as path,
       coalesce(bool_or(relname = '_prisma_migrations'), false) as found,
       coalesce(bool_or(relname !~* '^(_prisma_migrations|${OF_EXTENSIONS})$'), false) as others
     from pg_class where relkind = 'r' and relnamespace = to_regnamespace(quote_ident(current_schema()))`,
  );
  const [{ table, path, found, others }] = rows as [
    { table: string; path: string; found: boolean; others: boolean },
  ];
  const records = found
    ? ((await client.query(`select * from ${table} order by started_at`)).rows as Record[])
    : undefined;
  return { table, searchPath: path, records, hasOtherTables: others };
}

function begin(folder: PrismaFolder, { hasOtherTables }: Books): MigratorStatus {
  const { pending, problems } = compare(folder, []);
  if (!hasOtherTables || pending.length === 0) return { applied: [], pending, problems };
  const message =
    "is not there, but other tables are, whose migrations nobody has recorded; tell Prisma which of them the database has, by `prisma migrate resolve --applied <name>` for each";
  return { applied: [], pending, problems: [...problems, { subject: "_prisma_migrations", message }] };
}

function compare({ migrations, problems: found }: PrismaFolder, records: readonly Record[]): MigratorStatus {
  const live = records.filter(({ rolled_back_at }) => rolled_back_at === null);
  const done = live.filter(({ finished_at }) => finished_at !== null);
  const scripts = new Map(migrations.map(({ name, script }) => [name, script]));
  const last = migrations.at(-1)?.name ?? "";
  const gone = done.map(({ migration_name }) => migration_name).filter((name) => !scripts.has(name));
  const problems: Problem[] = [
    ...found,
    ...live.filter(({ finished_at }) => finished_at === null).map(unfinished),
    ...done.filter((record) => isEdited(record, scripts.get(record.migration_name))).map(edited),
    ...gone.filter((name) => name <= last).map(missing),
  ];
  return {
    applied: done.map(({ migration_name }) => migration_name),
    pending: [...scripts.keys()].filter(
      (name) => !live.some(({ migration_name }) => migration_name === name),
    ),
    problems,
    newer: gone.filter((name) => name > last),
  };
}

function isEdited({ checksum }: Record, script: string | undefined): boolean {
  return script !== undefined && !isChecksumOf(script, checksum);
}

function edited({ migration_name: subject }: Record): Problem {
  return {
    subject,
    message: "was edited after it was applied; restore it, and put the change into a new migration",
  };
}

function missing(subject: string): Problem {
  return { subject, message: "was applied, but its folder is gone; put it back as it was" };
}

function unfinished({ migration_name: subject, started_at }: Record): Problem {
  const message = `was begun at ${started_at.toISOString()} and did not end; see what it did (its row in _prisma_migrations has the error), then run \`prisma migrate resolve\` with --rolled-back ${subject} or --applied ${subject}`;
  return { subject, message };
}

/** The row first, then the script, then the row again: a process that is killed leaves what Prisma calls a failed migration. */
async function apply(client: PgClient, table: string, { name, script }: PrismaMigration): Promise<void> {
  const id = randomUUID();
  await client.query(
    `insert into ${table} (id, checksum, started_at, migration_name) values ($1, $2, clock_timestamp(), $3)`,
    [id, checksumOf(script), name],
  );
  try {
    await client.query(script);
  } catch (error) {
    // A file with its own transaction leaves it open.
    await client.query("rollback").catch(() => {});
    await client.query(`update ${table} set logs = $2 where id = $1`, [id, logsOf(name, error)]);
    throw new MigratorError(name, reasonOf(error), error);
  }
  await client.query(
    `update ${table} set applied_steps_count = applied_steps_count + 1, finished_at = clock_timestamp() where id = $1`,
    [id],
  );
}

function logsOf(name: string, error: unknown): string {
  const { code = "unknown" } = error as { code?: string };
  return `A migration failed to apply.\n\nMigration name: ${name}\n\nDatabase error code: ${code}\n\nDatabase error:\n${reasonOf(error)}\n`;
}
