/** The books in PostgreSQL. */
import { setTimeout as delay } from "node:timers/promises";
import type { Session } from "../database/session.ts";
import { errorName, SallyportError } from "../errors.ts";
import type { Migration, MigrationRecord, MigrationStore, Work } from "./migration.ts";

export { createLock } from "./postgres-lock.ts";

const TABLE = "sallyport_migrations";

/** One session with the place of its books, which is asked for once: a file may change the search path, and any role. */
interface Ledger {
  readonly session: Session;
  /** Qualified and quoted. */
  readonly table: string;
}

export function createStore(session: Session): MigrationStore {
  let found: Promise<Ledger> | undefined;
  const open = () => {
    found ??= findTable(session).then((table) => ({ session, table }));
    return found;
  };
  return {
    transactional: true,
    async records() {
      const { table } = await open();
      const [books] = await session.query("select to_regclass($1) is not null as exist", [table]);
      return books?.exist ? (await session.query(`select * from ${table}`)).map(toRecord) : [];
    },
    async apply(migration, work) {
      const ledger = await open();
      await session.run(createTable(ledger));
      await (migration.transaction ? applyInside : applyOutside)(ledger, migration, work);
      // What a file set for its session is not for the next one.
      await session.run("reset session authorization; reset role; reset all");
    },
    async adopt(migrations) {
      const ledger = await open();
      const [tables] = await session.query(
        "select exists (select from pg_tables where schemaname = current_schema() and tablename <> $1) as found",
        [TABLE],
      );
      if (!tables?.found) return false;
      await session.run(`begin; ${createTable(ledger)}`);
      for (const migration of migrations) {
        await begin(ledger, migration);
        await finish(ledger, migration);
      }
      await session.run("commit");
      return true;
    },
  };
}

/** Where they are, or else where they will be made. */
async function findTable(session: Session): Promise<string> {
  const [row] = await session.query(
    `select format('%I.%I', coalesce(
       (select n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = to_regclass($1)),
       current_schema(), ''), $1::text) as place, current_schema() is null as nowhere`,
    [TABLE],
  );
  if (!row?.nowhere) return String(row?.place);
  throw new SallyportError(
    "DATABASE_INVALID",
    "no schema of the search path exists, or this user may use none of them",
    {
      hint: "Create it, grant usage on it, or correct the search_path of the user or of the URL.",
    },
  );
}

const createTable = ({ table }: Ledger) => `create table if not exists ${table} (
  id text primary key,
  checksum text not null,
  started_at timestamptz not null,
  finished_at timestamptz
)`;

function toRecord({
  id,
  checksum,
  started_at,
  finished_at,
}: Readonly<Record<string, unknown>>): MigrationRecord {
  return {
    id: String(id),
    checksum: String(checksum),
    startedAt: (started_at as Date).toISOString(),
    finishedAt: (finished_at as Date | null)?.toISOString(),
  };
}

/** False when it is done already: by a process that took over because our lock was lost. */
async function begin({ session, table }: Ledger, { id, checksum }: Migration): Promise<boolean> {
  const [begun] = await session.query(
    `insert into ${table} as books (id, checksum, started_at) values ($1, $2, clock_timestamp())
     on conflict (id) do update set checksum = excluded.checksum, started_at = excluded.started_at, finished_at = null
       where books.finished_at is null or books.checksum <> excluded.checksum
     returning id`,
    [id, checksum],
  );
  return begun !== undefined;
}

async function finish({ session, table }: Ledger, { id }: Migration): Promise<void> {
  await session.run("reset session authorization; reset role");
  await session.query(`update ${table} set finished_at = clock_timestamp() where id = $1`, [id]);
}

/** A statement that waits for a lock makes everybody behind it wait, so it gives up soon and tries again. */
const LOCK_TIMEOUT = "5s";
const LOCK_TRIES = 20;
const LOCK_NOT_AVAILABLE = "55P03";
const DEADLOCK = "40P01";

/** Limits that are meant for requests; not every version has all of them. */
const UNLIMITED = `select set_config(name, '0', true) from pg_settings
  where name in ('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')`;

async function applyInside(ledger: Ledger, migration: Migration, work: Work): Promise<void> {
  const { session } = ledger;
  for (let tries = 1; ; tries++) {
    try {
      await session.run(`begin; set local lock_timeout = '${LOCK_TIMEOUT}'; ${UNLIMITED}`);
      // A file that commits by itself commits this, too, and fails at the release: then it counts as begun, not as never seen.
      if (await begin(ledger, migration)) {
        await session.run("savepoint sallyport");
        await work(migration.content);
        await session.run("release savepoint sallyport");
        await finish(ledger, migration);
      }
      await session.run("commit");
      return;
    } catch (error) {
      await session.run("rollback").catch(() => {});
      const mayPass = [LOCK_NOT_AVAILABLE, DEADLOCK].includes(errorName(error));
      if (!mayPass || tries === LOCK_TRIES) throw error;
      await delay(Math.random() * 1000 * Math.min(tries, 5));
    }
  }
}

async function applyOutside(ledger: Ledger, migration: Migration, work: Work): Promise<void> {
  const { session } = ledger;
  const before = await invalidIndexes(session);
  if (!(await begin(ledger, migration))) return;
  await session.run("set statement_timeout = 0");
  try {
    await work(migration.content);
  } finally {
    await session.run("reset statement_timeout").catch(() => {});
  }
  const broken = isConcurrent(migration)
    ? (await invalidIndexes(session)).filter((name) => !before.includes(name))
    : [];
  if (broken.length > 0) {
    const cure = broken.map((name) => `DROP INDEX CONCURRENTLY ${name};`).join(" ");
    throw new Error(`it left an index that is not valid; run: ${cure}`);
  }
  await finish(ledger, migration);
}

function isConcurrent({ content }: Migration): boolean {
  return "statements" in content && content.statements.some((sql) => /\bconcurrently\b/i.test(sql));
}

/** CREATE INDEX CONCURRENTLY that fails leaves an index behind which is kept up to date and never used. Those of others may be under way. */
async function invalidIndexes(session: Session): Promise<string[]> {
  const rows = await session.query(
    `select indexrelid::regclass::text as name from pg_index
     where not indisvalid and indexrelid not in (select index_relid from pg_stat_progress_create_index)`,
  );
  return rows.map(({ name }) => String(name));
}
