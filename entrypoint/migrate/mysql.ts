/** The books in MySQL and MariaDB, where each DDL statement commits by itself. */
import { setTimeout as delay } from "node:timers/promises";
import type { Row, Session } from "../database/session.ts";
import { errorName } from "../errors.ts";
import type { Migration, MigrationRecord, MigrationStore } from "./migration.ts";

export { createLock } from "./mysql-lock.ts";

type Work = (content: Migration["content"]) => Promise<void>;

const TABLE = "sallyport_migrations";

const CREATE = `create table if not exists ${TABLE} (
  id varchar(255) character set utf8mb4 collate utf8mb4_bin primary key,
  checksum char(64) not null,
  started_at datetime(6) not null,
  finished_at datetime(6)
) engine = InnoDB`;

export function createStore(session: Session): MigrationStore {
  return {
    transactional: false,
    async records() {
      const found = await session.query(
        "select 1 from information_schema.tables where table_schema = database() and table_name = ?",
        [TABLE],
      );
      return found.length === 0 ? [] : (await session.query(`select * from ${TABLE}`)).map(toRecord);
    },
    async apply(migration, work) {
      await session.run(CREATE);
      await applyWithMark(session, migration, work);
    },
    async adopt(migrations) {
      const tables = await session.query(
        "select 1 from information_schema.tables where table_schema = database() and table_type = 'BASE TABLE' and table_name <> ?",
        [TABLE],
      );
      if (tables.length === 0) return false;
      await session.run(CREATE);
      await session.run("start transaction");
      for (const { id, checksum } of migrations) {
        await session.query(
          `insert into ${TABLE} (id, checksum, started_at, finished_at) values (?, ?, utc_timestamp(6), utc_timestamp(6))`,
          [id, checksum],
        );
      }
      await session.run("commit");
      return true;
    },
  };
}

function toRecord({ id, checksum, started_at, finished_at }: Row): MigrationRecord {
  return {
    id: String(id),
    checksum: String(checksum),
    startedAt: toIso(started_at),
    finishedAt: finished_at === null ? undefined : toIso(finished_at),
  };
}

/** `2026-01-31 12:00:00.000000`, which is UTC here. */
function toIso(text: unknown): string {
  return new Date(`${String(text).replace(" ", "T")}Z`).toISOString();
}

/**
 * What was begun stays marked as begun, also when it fails, for nobody can tell which of its statements are done. The one exception
 * is a file whose first statement does all or nothing, and did nothing.
 */
async function applyWithMark(session: Session, migration: Migration, work: Work): Promise<void> {
  const [before] = await session.query(`select * from ${TABLE} where id = ?`, [migration.id]);
  await mark(session, migration);
  let done = 0;
  const parts = partsOf(migration);
  try {
    for (const part of parts) {
      await applyPart(session, part, work);
      done++;
    }
  } catch (error) {
    const first = parts[0]?.sql;
    const undone = done === 0 && first !== undefined && (await isAtomic(session, first).catch(() => false));
    if (undone) await unmark(session, migration, before).catch(() => {});
    throw error;
  }
  await session.query(`update ${TABLE} set finished_at = utc_timestamp(6) where id = ?`, [migration.id]);
}

async function mark(session: Session, { id, checksum }: Migration): Promise<void> {
  await session.query(
    `insert into ${TABLE} (id, checksum, started_at) values (?, ?, utc_timestamp(6))
     on duplicate key update checksum = values(checksum), started_at = values(started_at), finished_at = null`,
    [id, checksum],
  );
}

async function unmark(session: Session, { id }: Migration, before: Row | undefined): Promise<void> {
  if (!before) await session.query(`delete from ${TABLE} where id = ?`, [id]);
  else {
    await session.query(`update ${TABLE} set checksum = ?, started_at = ?, finished_at = ? where id = ?`, [
      before.checksum,
      before.started_at,
      before.finished_at,
      id,
    ]);
  }
}

interface Part {
  readonly content: Migration["content"];
  /** If it is one string of SQL. */
  readonly sql: string | undefined;
  /** It may be done again from its beginning. */
  readonly idempotent: boolean;
}

function partsOf({ content, idempotent }: Migration): Part[] {
  if (!("statements" in content)) return [{ content, sql: undefined, idempotent }];
  return content.statements.map((sql) => ({ content: { statements: [sql] }, sql, idempotent }));
}

/**
 * A statement that waits for a table makes everybody behind it wait, so it gives up soon, and is tried again. Where trying again
 * could do a part of it twice, it waits longer instead: a file that is left half done is the greater harm.
 */
const SHORT_LOCK_TIMEOUT_S = 5;
const LONG_LOCK_TIMEOUT_S = 60;
const LOCK_TRIES = 20;
const LOCK_FAULT = /^ER_LOCK_(WAIT_TIMEOUT|DEADLOCK)$/;

async function applyPart(session: Session, { content, sql, idempotent }: Part, work: Work): Promise<void> {
  const again = idempotent || (sql !== undefined && (await isAtomic(session, sql)));
  const timeout = again ? SHORT_LOCK_TIMEOUT_S : LONG_LOCK_TIMEOUT_S;
  for (let tries = 1; ; tries++) {
    await session.run(`set session lock_wait_timeout = ${timeout}`);
    try {
      return await work(content);
    } catch (error) {
      if (!again || !LOCK_FAULT.test(errorName(error)) || tries === LOCK_TRIES) throw error;
      await delay(Math.random() * 1000 * Math.min(tries, 5));
    }
  }
}

const LEADING_COMMENTS = /^(\s+|--.*(\n|$)|#.*(\n|$)|\/\*[^!+][\s\S]*?\*\/)+/;
/** Of several tables in one DROP, MariaDB drops those that it can. https://mariadb.com/kb/en/atomic-ddl/ */
const ATOMIC_DDL =
  /^(create (unique |fulltext |spatial )?(table|index)\b|create (or replace )?view\b|alter table\b|truncate\b|(drop|rename) (table|view|index) [^,]*$)/i;
const CHANGE_OF_ROWS = /^(insert|update|delete|replace)\b/i;

/** Only what surely is one statement that does all or nothing. A semicolon inside a text makes it look like two, which harms nobody. */
async function isAtomic(session: Session, text: string): Promise<boolean> {
  const sql = text.replace(LEADING_COMMENTS, "").trim().replace(/;$/, "").replace(/\s+/g, " ");
  if (sql.includes(";")) return false;
  if (ATOMIC_DDL.test(sql)) return true;
  if (!CHANGE_OF_ROWS.test(sql)) return false;
  const [other] = await session.query(
    `select 1 from information_schema.tables where engine <> 'InnoDB' and table_type = 'BASE TABLE'
       and table_schema not in ('mysql', 'sys', 'performance_schema', 'information_schema') limit 1`,
  );
  return other === undefined;
}
