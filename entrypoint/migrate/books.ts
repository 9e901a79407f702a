/** The table of dialects: who keeps the books and the lock in which database. */
import type { Database } from "../database/database.ts";
import type { Session } from "../database/session.ts";
import type { MigrationLock, MigrationStore } from "./migration.ts";

export interface Books {
  readonly store: MigrationStore;
  readonly lock: MigrationLock;
  /** Where migrations run, and where their records are written. */
  readonly session: Session;
  close(): Promise<void>;
}

/** A database whose connections know their own deadline. */
export type Connectable = Pick<Database, "dialect" | "title"> & { connect(): Promise<Session> };

type Keepers = {
  readonly createStore: (session: Session) => MigrationStore;
  readonly createLock: (connect: () => Promise<Session>, database: Connectable) => MigrationLock;
};

const KEEPERS: Readonly<Record<Database["dialect"], () => Promise<Keepers>>> = {
  postgres: () => import("./postgres.ts"),
  mysql: () => import("./mysql.ts"),
  sqlite: () => import("./sqlite.ts"),
};

/** @param session where migrations run; the lock opens its own */
export async function openBooks(database: Connectable, session: Session): Promise<Books> {
  const { createStore, createLock } = await KEEPERS[database.dialect]();
  const lock = createLock(database.connect, database);
  return {
    store: createStore(session),
    lock,
    session,
    close: async () => void (await Promise.all([session.close(), lock.close()])),
  };
}
