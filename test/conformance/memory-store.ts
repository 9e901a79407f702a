/** Books, lock and connection in memory: the least that keeps the promises of their interfaces. */
import { type Session, StatementError } from "../../entrypoint/database/session.ts";
import type { Books } from "../../entrypoint/migrate/books.ts";
import type {
  HeldLock,
  Migration,
  MigrationLock,
  MigrationRecord,
  MigrationStore,
} from "../../entrypoint/migrate/migration.ts";

/** What all connections to it share. */
export interface MemoryDatabase {
  records: Map<string, MigrationRecord> | undefined;
  /** The number of rows by table. */
  tables: Map<string, number>;
  holder: object | undefined;
}

export function createMemoryDatabase(): MemoryDatabase {
  return { records: undefined, tables: new Map(), holder: undefined };
}

export function openMemoryBooks(database: MemoryDatabase): Books {
  const lock = createLock(database);
  return {
    session: createSession(database),
    store: createStore(database),
    lock,
    close: () => lock.close(),
  };
}

function createStore(database: MemoryDatabase): MigrationStore {
  const write = ({ id, checksum }: Migration, startedAt: string, finishedAt: string | undefined) => {
    database.records ??= new Map();
    database.records.set(id, { id, checksum, startedAt, finishedAt });
  };
  return {
    transactional: true,
    records: async () => [...(database.records?.values() ?? [])],
    async apply(migration, work) {
      const startedAt = new Date().toISOString();
      const before = new Map(database.tables);
      if (!migration.transaction) write(migration, startedAt, undefined);
      try {
        await work(migration.content);
      } catch (error) {
        if (migration.transaction) database.tables = before;
        throw error;
      }
      write(migration, startedAt, new Date().toISOString());
    },
    async adopt(migrations) {
      if (database.tables.size === 0) return false;
      const now = new Date().toISOString();
      for (const migration of migrations) write(migration, now, now);
      return true;
    },
  };
}

function createLock(database: MemoryDatabase): MigrationLock {
  const me = {};
  const free = async () => {
    if (database.holder === me) database.holder = undefined;
  };
  return {
    async tryAcquire() {
      if (database.holder) return { holder: "somebody in this process" };
      database.holder = me;
      return { lost: new AbortController().signal, release: free } satisfies HeldLock;
    },
    close: free,
  };
}

/** Understands the three statements that the suite is written in. */
function createSession(database: MemoryDatabase): Session {
  const ask = (sql: string) => {
    const [, verb, table = ""] =
      /^(?:--.*\n)*(create table|insert into|select count\(\*\) as n from) (\w+)/.exec(sql) ?? [];
    const rows = database.tables.get(table);
    if (verb === "create table" && rows === undefined) database.tables.set(table, 0);
    else if (verb === "insert into" && rows !== undefined) database.tables.set(table, rows + 1);
    else if (!verb?.startsWith("select") || rows === undefined)
      throw new StatementError("REFUSED", `no such thing: ${table}`);
    return [{ n: rows }];
  };
  return {
    run: async (script) => {
      // Not at once, so that runs side by side do meet.
      await new Promise(setImmediate);
      for (const sql of script.split(";")) if (sql.trim()) ask(sql.trim());
    },
    query: async (sql) => ask(sql),
    cancel: async () => {},
    lost: new AbortController().signal,
    close: async () => {},
  };
}
