/** The lock in PostgreSQL. */
import { abortable } from "../abort.ts";
import type { Session } from "../database/session.ts";
import type { HeldLock, Holder, MigrationLock } from "./migration.ts";

/** Advisory locks have two numbers. The first is ours, the second tells the schemas of one database apart. */
const NAMESPACE = 0x5a11;
const TRY = `select pg_try_advisory_xact_lock(${NAMESPACE}, hashtext(coalesce(current_schema(), ''))) as got`;
const HEARTBEAT_MS = 30_000;
const ANSWER_MS = 10_000;
/** Not every version has the second one. */
const UNLIMITED = `select set_config(name, '0', true) from pg_settings
  where name in ('idle_in_transaction_session_timeout', 'transaction_timeout')`;

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
      if (!session || session.lost.aborted) session = await connect();
      try {
        return await tryOn(session);
      } catch (error) {
        // A failover: the next try has a new connection.
        if (session.lost.aborted) return { holder: "nobody knows: the connection broke" };
        throw error;
      }
    },
    async close() {
      await session?.close();
    },
  };
}

async function tryOn(session: Session): Promise<HeldLock | Holder> {
  await session.run(`begin; ${UNLIMITED}`);
  const [row] = await session.query(TRY);
  if (row?.got) return hold(session);
  const holder = await describeHolder(session);
  await session.run("rollback");
  return { holder };
}

function hold(session: Session): HeldLock {
  const silent = new AbortController();
  const answered = (statement: Promise<unknown>) => abortable(statement, AbortSignal.timeout(ANSWER_MS));
  // A connection that is half open says nothing by itself.
  const beat = () => void answered(session.query("select 1")).catch((error) => silent.abort(error));
  const heartbeat = setInterval(beat, HEARTBEAT_MS).unref();
  return {
    lost: AbortSignal.any([session.lost, silent.signal]),
    async release() {
      clearInterval(heartbeat);
      await answered(session.run("rollback")).catch(() => {});
    },
  };
}

async function describeHolder(session: Session): Promise<string> {
  const [row] = await session.query(
    `select a.pid, coalesce(nullif(a.application_name, ''), 'an unnamed client') as name,
       coalesce(host(a.client_addr), 'this machine') as host, extract(epoch from clock_timestamp() - a.xact_start)::int as age
     from pg_locks l join pg_stat_activity a using (pid)
     where l.locktype = 'advisory' and l.granted and l.classid = ${NAMESPACE}
       and l.database = (select oid from pg_database where datname = current_database())
       and l.objid::bigint = hashtext(coalesce(current_schema(), ''))::bigint & 4294967295 limit 1`,
  );
  return row
    ? `${row.name}, pid ${row.pid}, from ${row.host}, for ${row.age} s`
    : "a process that has just ended";
}
