/** Reads the table in which Drizzle keeps its books, in each of its dialects, without making it. */

export type Row = Readonly<Record<string, unknown>>;

interface Options {
  readonly db: object;
  readonly migrationsTable?: string;
  readonly migrationsSchema?: string;
  readonly query?: (sql: string) => Promise<readonly Row[]>;
}

type Dialect = "postgres" | "mysql" | "sqlite";

/** https://github.com/drizzle-team/drizzle-orm/blob/main/drizzle-orm/src/entity.ts */
const KIND = Symbol.for("drizzle:entityKind");

export function booksReader(options: Options): () => Promise<readonly Row[]> {
  const { db, migrationsTable = "__drizzle_migrations", migrationsSchema = "drizzle" } = options;
  const dialect = dialectOf(db);
  const quote = (name: string) => (dialect === "mysql" ? `\`${name}\`` : `"${name}"`);
  const table = quote(migrationsTable);
  const from = dialect === "postgres" ? `${quote(migrationsSchema)}.${table}` : table;
  const query = options.query ?? ((sql: string) => queryBy(db, dialect, sql));
  return async () => {
    try {
      return await query(`select hash, created_at from ${from} order by created_at`);
    } catch (error) {
      if (isNoTable(error)) return [];
      throw error;
    }
  };
}

/** A driver's class extends its dialect's. */
function dialectOf(db: object): Dialect {
  for (let it = db.constructor; typeof it === "function"; it = Object.getPrototypeOf(it)) {
    const kind = String(Reflect.get(it, KIND));
    if (/^(MySql|SingleStore)/.test(kind)) return "mysql";
    if (/^BaseSQLite/.test(kind)) return "sqlite";
  }
  return "postgres";
}

interface Queryable {
  execute?(sql: string): Promise<unknown>;
  all?(sql: string): Promise<unknown>;
}

async function queryBy(db: Queryable, dialect: Dialect, sql: string): Promise<readonly Row[]> {
  const result = dialect === "sqlite" ? await db.all?.(sql) : await db.execute?.(sql);
  // node-postgres wraps its rows, mysql2 gives them with their fields, the rest gives them as they are.
  const { rows = result } = (result ?? {}) as { rows?: unknown };
  const list = (dialect === "mysql" ? (rows as unknown[])[0] : rows) as readonly unknown[];
  return list.map((row) => (Array.isArray(row) ? { hash: row[0], created_at: row[1] } : (row as Row)));
}

/** PostgreSQL, MySQL and SQLite, in this order; Drizzle wraps what the driver throws. */
function isNoTable(error: unknown): boolean {
  for (let it = error; it instanceof Error; it = it.cause) {
    const { code } = it as { code?: unknown };
    if (code === "42P01" || code === "ER_NO_SUCH_TABLE" || /no such table/.test(it.message)) return true;
  }
  return false;
}
