/** Names as the expectations write them: `orders`, `billing.orders`, and in double quotes what holds a dot. */

const PART = '(?:"(?:[^"]|"")+"|[^".][^.]*)';

/** For the names of tables and enums; those of columns and indexes stand alone and are taken as they are. */
export const NAME_FORM = new RegExp(`^(?:${PART}\\.)?${PART}$`);

export interface Name {
  /** `undefined` where the session finds it by itself: the search path, or the database it is connected to. */
  readonly schema: string | undefined;
  readonly name: string;
}

/** @param text in NAME_FORM */
export function parseName(text: string): Name {
  const [first = "", second] = (text.match(new RegExp(PART, "g")) ?? []).map(unquote);
  return second === undefined ? { schema: undefined, name: first } : { schema: first, name: second };
}

function unquote(part: string): string {
  return part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part;
}

export function printName({ schema, name }: Name): string {
  return [...(schema === undefined ? [] : [schema]), name].map(quoteIfNeeded).join(".");
}

function quoteIfNeeded(part: string): string {
  return part.startsWith('"') || part.includes(".") ? `"${part.replaceAll('"', '""')}"` : part;
}

const BOOKS = [
  /^sallyport_/,
  /^_prisma_migrations$/,
  /^__drizzle_migrations$/,
  /^(knex|umzug|mikro_orm|django|_sqlx|d1)_migrations(_lock)?$/,
  /^kysely_migration(_lock)?$/,
  /^(pgmigrations|schema_?migrations|SequelizeMeta|SequelizeData|typeorm_metadata)$/,
  /^(schemaversion|goose_db_version|flyway_schema_history|alembic_version|ar_internal_metadata)$/,
  /^databasechangelog(lock)?$/i,
];

/** A migrator's own records, ours or another's: nothing that an app relies on. */
export function isMigrationBook(table: string): boolean {
  return BOOKS.some((form) => form.test(table));
}
