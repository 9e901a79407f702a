/** The books and the lock in PostgreSQL. */
import { setTimeout as delay } from "node:timers/promises";
import type { Session } from "../database/session.ts";
import { errorName } from "../errors.ts";
import type {
  HeldLock,
  Holder,
  Migration,
  MigrationLock,
  MigrationRecord,
  MigrationStore,
} from "./migration.ts";

const TABLE = "sallyport_migrations";

const CREATE = `create table if not exists ${TABLE} (
  id text primary key,
  checksum text not null,
  started_at timestamptz not null,
  finished_at timestamptz
)`;

export function createStore(session: Session): MigrationStore {
  return {
    transactional: true,
    async records() {
      const [found] = await session.query("select to_regclass($1) is not null as found", [TABLE]);
      if (!found?.found) return [];
      return (await session.query(`select * from ${TABLE}`)).map(toRecord);
    },
    async apply(migration, work) {
      await session.run(CREATE);
      if (migration.transaction) await applyInside(session, migration, work);
      else await applyOutside(session, migration, work);
    },
    async adopt(migrations) {
      const [tables] = await session.query(
        "select exists (select from pg_tables where schemaname = current_schema() and tablename <> $1) as found",
        [TABLE],
      );
      if (!tables?.found) return false;
      await session.run(`begin; ${CREATE}`);
      for (const migration of migrations) {
        await begin(session, migration);
        await finish(session, migration);
      }
      await session.run("commit");
      return true;
    },
  };
}

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

async function begin(session: Session, { id, checksum }: Migration): Promise<void> {
  await session.query(
    `insert into ${TABLE} (id, checksum, started_at) values ($1, $2, clock_timestamp())
     on conflict (id) do update set checksum = excluded.checksum, started_at = excluded.started_at, finished_at = null`,
    [id, checksum],
  );
}

async function finish(session: Session, { id }: Migration): Promise<void> {
  await session.query(`update ${TABLE} set finished_at = clock_timestamp() where id = $1`, [id]);
}

/** A statement that waits for a lock makes everybody behind it wait, so it gives up soon and tries again. */
const LOCK_TIMEOUT = "5s";
const LOCK_TRIES = 20;
const LOCK_NOT_AVAILABLE = "55P03";
const DEADLOCK = "40P01";

async function applyInside(
  session: Session,
  migration: Migration,
  work: (content: Migration["content"]) => Promise<void>,
): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await session.run(`begin; set local lock_timeout = '${LOCK_TIMEOUT}'; set local statement_timeout = 0`);
      // A file that commits by itself commits this, too, and fails at the release: then it counts as begun, not as never seen.
      await begin(session, migration);
      await session.run("savepoint sallyport");
      await work(migration.content);
      await session.run("release savepoint sallyport");
      await finish(session, migration);
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

async function applyOutside(
  session: Session,
  migration: Migration,
  work: (content: Migration["content"]) => Promise<void>,
): Promise<void> {
  const before = await invalidIndexes(session);
  await begin(session, migration);
  await session.run("set statement_timeout = 0");
  await work(migration.content);
  await session.run("reset statement_timeout");
  const broken = (await invalidIndexes(session)).filter((name) => !before.includes(name));
  if (broken.length > 0) {
    throw new Error(
      `it left an index that is not valid; run: ${broken.map((name) => `DROP INDEX CONCURRENTLY ${name};`).join(" ")}`,
    );
  }
  await finish(session, migration);
}

/** CREATE INDEX CONCURRENTLY that fails leaves an index behind which is kept up to date and never used. */
async function invalidIndexes(session: Session): Promise<string[]> {
  const rows = await session.query(
    "select indexrelid::regclass::text as name from pg_index where not indisvalid",
  );
  return rows.map(({ name }) => String(name));
}

/** Advisory locks have two numbers. The first is ours, the second tells the schemas of one database apart. */
const NAMESPACE = 0x5a11;
const TRY = `select pg_try_advisory_xact_lock(${NAMESPACE}, hashtext(current_schema())) as got`;
const HEARTBEAT_MS = 30_000;

/**
 * An advisory lock that lives in an open transaction of a connection of its own. It ends with the process, however that ends, and
 * holds behind a pooler that lends connections by the transaction, too, where a session's lock would be left in the pool.
 * The transaction is idle, so it has no snapshot that CREATE INDEX CONCURRENTLY would wait for; a lock that is waited for in the
 * database would, which is why it is asked for again and again. https://www.postgresql.org/docs/current/explicit-locking.html
 */
export function createLock(connect: () => Promise<Session>): MigrationLock {
  let session: Session | undefined;
  return {
    async tryAcquire(): Promise<HeldLock | Holder> {
      session ??= await connect();
      await session.run("begin; set local idle_in_transaction_session_timeout = 0");
      const [row] = await session.query(TRY);
      if (row?.got) return hold(session);
      const holder = await describeHolder(session);
      await session.run("rollback");
      return { holder };
    },
    async close() {
      await session?.close();
    },
  };
}

function hold(session: Session): HeldLock {
  const heartbeat = setInterval(() => void session.query("select 1").catch(() => {}), HEARTBEAT_MS).unref();
  return {
    lost: session.lost,
    async release() {
      clearInterval(heartbeat);
      await session.run("rollback").catch(() => {});
    },
  };
}

async function describeHolder(session: Session): Promise<string> {
  const [row] = await session.query(
    `select a.pid, coalesce(nullif(a.application_name, ''), 'an unnamed client') as name,
       coalesce(host(a.client_addr), 'this machine') as host, extract(epoch from clock_timestamp() - a.xact_start)::int as age
     from pg_locks l join pg_stat_activity a using (pid)
     where l.locktype = 'advisory' and l.granted and l.classid = ${NAMESPACE} limit 1`,
  );
  return row
    ? `${row.name}, pid ${row.pid}, from ${row.host}, for ${row.age} s`
    : "a process that has just ended";
}
