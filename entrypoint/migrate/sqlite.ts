/** The books in SQLite. */
import { setTimeout as delay } from "node:timers/promises";
import type { Session } from "../database/session.ts";
import { errorName } from "../errors.ts";
import type { Migration, MigrationRecord, MigrationStore } from "./migration.ts";

export { createLock } from "./sqlite-lock.ts";

type Work = (content: Migration["content"]) => Promise<void>;

const TABLE = "sallyport_migrations";

const CREATE = `create table if not exists ${TABLE} (
  id text primary key not null,
  checksum text not null,
  started_at text not null,
  finished_at text
)`;

export function createStore(session: Session): MigrationStore {
  return {
    transactional: true,
    records: () =>
      whenFree(async () => {
        const found = await session.query("select 1 from sqlite_schema where type = 'table' and name = ?", [
          TABLE,
        ]);
        return found.length === 0 ? [] : (await session.query(`select * from ${TABLE}`)).map(toRecord);
      }),
    async apply(migration, work) {
      if (migration.transaction) await applyInside(session, migration, work);
      else await applyOutside(session, migration, work);
    },
    async adopt(migrations) {
      const tables = await session.query(
        "select 1 from sqlite_schema where type = 'table' and name not like 'sqlite\\_%' escape '\\' and name <> ?",
        [TABLE],
      );
      if (tables.length === 0) return false;
      await inTransaction(session, async () => {
        const now = new Date().toISOString();
        for (const migration of migrations) await write(session, migration, now, now);
      });
      return true;
    },
  };
}

function toRecord(row: Readonly<Record<string, unknown>>): MigrationRecord {
  return {
    id: String(row.id),
    checksum: String(row.checksum),
    startedAt: String(row.started_at),
    finishedAt: row.finished_at === null ? undefined : String(row.finished_at),
  };
}

async function write(
  session: Session,
  { id, checksum }: Migration,
  startedAt: string,
  finishedAt: string | null,
): Promise<void> {
  await session.run(CREATE);
  await session.query(
    `insert into ${TABLE} (id, checksum, started_at, finished_at) values (?, ?, ?, ?)
     on conflict (id) do update
       set checksum = excluded.checksum, started_at = excluded.started_at, finished_at = excluded.finished_at`,
    [id, checksum, startedAt, finishedAt],
  );
}

/** Whatever the file commits by itself, it commits together with the record that it has begun. */
async function applyInside(session: Session, migration: Migration, work: Work): Promise<void> {
  const loose = isLoose(migration.content);
  if (loose) await session.run("pragma foreign_keys = off");
  try {
    await inTransaction(session, async () => {
      const startedAt = new Date().toISOString();
      const before = loose ? await orphans(session) : [];
      await write(session, migration, startedAt, null);
      await session.run("savepoint sallyport");
      await work(migration.content);
      await session.run("release sallyport").catch((cause) => {
        throw new Error("it ends the transaction that it runs in; take its COMMIT or ROLLBACK out", {
          cause,
        });
      });
      const after = loose ? await orphans(session) : [];
      if (after.length > before.length)
        throw new Error(`it leaves rows whose foreign key points nowhere: ${[...new Set(after)].join(", ")}`);
      await write(session, migration, startedAt, new Date().toISOString());
    });
  } finally {
    if (loose) await session.run("pragma foreign_keys = on");
  }
}

async function applyOutside(session: Session, migration: Migration, work: Work): Promise<void> {
  const startedAt = new Date().toISOString();
  await whenFree(() => write(session, migration, startedAt, null));
  await work(migration.content);
  await whenFree(() => write(session, migration, startedAt, new Date().toISOString()));
}

/**
 * To rebuild a table, a file turns foreign keys off, which SQLite ignores inside a transaction; then dropping the old table would
 * delete the rows that point to it. So it is done outside, for the file. https://sqlite.org/lang_altertable.html#otheralter
 */
function isLoose(content: Migration["content"]): boolean {
  const pragma = /^\s*pragma\s+foreign_keys\s*(=\s*|\(\s*)(off|0|false|no)\b/im;
  return "statements" in content && content.statements.some((it) => pragma.test(it));
}

async function orphans(session: Session): Promise<string[]> {
  const rows = await session.query("pragma foreign_key_check");
  return rows.map(({ table, parent }) => `${table} → ${parent}`);
}

async function inTransaction(session: Session, work: () => Promise<void>): Promise<void> {
  await whenFree(async () => {
    await session.run("begin immediate");
    try {
      await work();
      await session.run("commit");
    } catch (error) {
      await session.run("rollback").catch(() => {});
      throw error;
    }
  });
}

const BUSY_TRIES = 100;

/** While another process writes, the app of an older image perhaps, it is asked again, so that the event loop runs meanwhile. */
async function whenFree<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (errorName(error) !== "SQLITE_BUSY" || tries === BUSY_TRIES) throw error;
      await delay(Math.random() * 200 * Math.min(tries, 5));
    }
  }
}
