/** The lock of MySQL and MariaDB: a named one of the server, held by a connection of its own. */
import type { Database } from "../database/database.ts";
import type { Session } from "../database/session.ts";
import { SallyportError } from "../errors.ts";
import type { HeldLock, Holder, MigrationLock } from "./migration.ts";

/** Names are the whole server's, at most 64 characters, and don't tell small letters from capitals. */
const NAME = "concat('sallyport:', left(sha2(lower(database()), 256), 40))";
const HEARTBEAT_MS = 30_000;

/**
 * It is asked for again and again, and never waited for, so that a stop or a deadline finds nothing that hangs. The server frees it
 * when the connection ends. https://dev.mysql.com/doc/refman/8.4/en/locking-functions.html
 */
export function createLock(
  connect: () => Promise<Session>,
  { title }: Pick<Database, "title">,
): MigrationLock {
  let session: Session | undefined;
  return {
    async tryAcquire(): Promise<HeldLock | Holder> {
      if (!session || session.lost.aborted) session = await connect();
      const [row] = await session.query(`select get_lock(${NAME}, 0) as got`);
      if (Number(row?.got) !== 1) return { holder: await describeHolder(session) };
      await assertHeld(session, title);
      return hold(session);
    },
    async close() {
      await session?.close();
    },
  };
}

/** A proxy that lends a connection for one statement has given ours, and the lock with it, to somebody else. */
async function assertHeld(session: Session, title: string): Promise<void> {
  const [row] = await session.query(`select is_used_lock(${NAME}) = connection_id() as mine`);
  if (Number(row?.mine) === 1) return;
  throw new SallyportError(
    "DATABASE_INVALID",
    `${title} is behind a proxy that lends its connections by the statement, where no lock can be held`,
    { hint: "Name the server itself in the setting that database.migrate.url names." },
  );
}

function hold(session: Session): HeldLock {
  const heartbeat = setInterval(() => void session.query("select 1").catch(() => {}), HEARTBEAT_MS).unref();
  return {
    lost: session.lost,
    async release() {
      clearInterval(heartbeat);
      await session.query(`select release_lock(${NAME})`).catch(() => {});
    },
  };
}

async function describeHolder(session: Session): Promise<string> {
  const [lock] = await session.query(`select is_used_lock(${NAME}) as id`);
  if (lock?.id == null) return "a process that has just ended";
  // Without the privilege PROCESS it shows the connections of one's own user; some day it may be gone, as it is deprecated.
  const [row] = await session
    .query("select user as name, host as host from information_schema.processlist where id = ?", [lock.id])
    .catch(() => []);
  return row ? `${row.name} from ${row.host}, connection ${lock.id}` : `connection ${lock.id}`;
}
