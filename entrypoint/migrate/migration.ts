/** The words of the migrate room: what there is to apply, what was applied, and who keeps the books. */

/** One file of the folder. */
export interface Migration {
  /** The file's name, by which it is recorded for ever. */
  readonly id: string;
  /** SHA-256 of the text, with line ends normalised. */
  readonly checksum: string;
  /** `repeatable` files are applied again whenever they change. */
  readonly kind: "once" | "repeatable";
  /** False for what a database can't do inside a transaction, such as CREATE INDEX CONCURRENTLY. */
  readonly transaction: boolean;
  /** It may safely be applied again after it was cut off. */
  readonly idempotent: boolean;
  readonly content: Script | Program;
}

/** Statements, in the order of the file. One string may hold several, which go to the database at once. */
export interface Script {
  readonly statements: readonly string[];
}

/** A module that exports `up(session, settings)`. */
export interface Program {
  readonly path: string;
}

/** Does what a migration holds. */
export type Work = (content: Migration["content"]) => Promise<void>;

/** One line in the books. */
export interface MigrationRecord {
  readonly id: string;
  readonly checksum: string;
  /** ISO time. */
  readonly startedAt: string;
  /** Without it, a process was cut off in the middle. */
  readonly finishedAt: string | undefined;
}

/**
 * Keeps the books in the database that is migrated. For implementers: `apply` does the work and writes its record in one
 * transaction where both can be; where they can't, it writes that it has begun before it begins. It never guesses whether
 * work that was cut off is done.
 */
export interface MigrationStore {
  /** What is cut off in the middle of a file is undone by the database itself. */
  readonly transactional: boolean;
  /** In any order. An empty list, too, when there are no books yet; reading does not make them. */
  records(): Promise<MigrationRecord[]>;
  apply(migration: Migration, work: Work): Promise<void>;
  /** Writes down what was done before there were books, without doing it. False, and nothing written, where there are no tables. */
  adopt(migrations: readonly Migration[]): Promise<boolean>;
}

/** Only one process migrates a database. A lock dies with the process that holds it. */
export interface MigrationLock {
  tryAcquire(): Promise<HeldLock | Holder>;
  close(): Promise<void>;
}

export interface HeldLock {
  /** Aborted when the lock is gone although nobody released it. */
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

export interface Holder {
  /** Who has it, as far as the database tells: `sallyport, pid 812, from 10.0.0.7, for 12 s`. */
  readonly holder: string;
}
