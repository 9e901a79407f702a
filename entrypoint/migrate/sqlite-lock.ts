/** The lock of SQLite: the operating system's lock on a file of its own, which ends with the process, however that ends. */
import type { DatabaseSync } from "node:sqlite";
import type { Session } from "../database/session.ts";
import { errorName, SallyportError } from "../errors.ts";
import type { HeldLock, Holder, MigrationLock } from "./migration.ts";

/** In the lowest byte of `errcode`. https://sqlite.org/rescode.html#busy */
const SQLITE_BUSY = 5;

/**
 * An exclusive transaction on an empty database beside the real one, whose own lock would come free with each file's commit, and
 * keep readers out before it. The empty file stays for good: whoever deleted it could delete one that another process has just
 * locked, and a third would make and lock a new one.
 */
export function createLock(connect: () => Promise<Session>): MigrationLock {
  let opened: { readonly lock: DatabaseSync | undefined } | undefined;
  return {
    async tryAcquire(): Promise<HeldLock | Holder> {
      opened ??= await openLock(connect);
      const { lock } = opened;
      try {
        // Even an exclusive transaction that changes nothing would make a journal, which a kill leaves behind.
        lock?.exec("pragma journal_mode = memory; begin exclusive");
      } catch (error) {
        const { errcode = 0 } = error as { errcode?: number };
        if ((errcode & 0xff) === SQLITE_BUSY) return { holder: "another process" };
        throw cantLock(error);
      }
      return {
        lost: new AbortController().signal,
        release: async () => {
          if (lock?.isTransaction) lock.exec("rollback");
        },
      };
    },
    async close() {
      if (opened?.lock?.isOpen) opened.lock.close();
    },
  };
}

/** A database in memory needs no lock: nobody else sees it. */
async function openLock(connect: () => Promise<Session>): Promise<{ lock: DatabaseSync | undefined }> {
  const file = await fileOf(connect);
  if (file === "") return { lock: undefined };
  // Not by `import`, for the reason that database/sqlite.ts gives.
  const { DatabaseSync } = process.getBuiltinModule("node:sqlite");
  try {
    return { lock: new DatabaseSync(`${file}.sallyport-lock`) };
  } catch (error) {
    throw cantLock(error);
  }
}

/** As SQLite itself resolves it, so that two links to one file find one lock. */
async function fileOf(connect: () => Promise<Session>): Promise<string> {
  const session = await connect();
  try {
    const [main] = await session.query("pragma database_list");
    return String(main?.file ?? "");
  } finally {
    await session.close();
  }
}

function cantLock(cause: unknown): SallyportError {
  const code = (cause as { errcode?: number }).errcode ?? errorName(cause);
  return new SallyportError(
    "MIGRATION_FAILED",
    `the migration lock can't be taken: the file *.sallyport-lock beside the database can't be written (SQLite error ${code})`,
    {
      hint: "The database's folder must be writable, for SQLite's journal, too: mount a volume there.",
      cause,
    },
  );
}
