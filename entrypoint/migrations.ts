/** The corridor's step `migrate`: the folder or the app's own migrator, under one lock and one deadline. */
import { abortable, isTimeout } from "./abort.ts";
import type { AppLog } from "./app/context.ts";
import type { DatabaseConfig } from "./config/database.ts";
import { openDatabase } from "./database/database.ts";
import { errorName, SallyportError } from "./errors.ts";
import { type Books, openBooks } from "./migrate/books.ts";
import { readFolder } from "./migrate/folder.ts";
import { checkPlan, type MigrateOptions, migrate } from "./migrate/migrate.ts";
import { loadMigrator, migrateByModule, pendingOfModule } from "./migrate/module.ts";
import { planMigrations } from "./migrate/plan.ts";
import { runContent } from "./migrate/work.ts";
import type { Boot } from "./step.ts";

export interface PrepareOptions {
  /** Absolute; what the config names relatively starts here. */
  readonly directory: string;
  /** A setting's text by its name. */
  readonly readText: (name: string) => string | undefined;
  /** For migrations that are modules. */
  readonly settings: object;
  readonly log: AppLog;
}

export function hasMigrations({ mode, folder, module }: DatabaseConfig): boolean {
  return mode !== "off" && (folder ?? module) !== undefined;
}

/** For what can't be cancelled: a connection that is half open, a statement of MySQL's. */
const LATE_MS = 2_000;

/** A stop ends what can be rolled back, and waits for the rest; only then the process may leave. */
export async function applyMigrations(
  declared: DatabaseConfig,
  options: PrepareOptions,
  boot: Boot,
): Promise<string[]> {
  const { log, status, deadline } = boot;
  const { allowOutOfOrder, baseline, lockTimeoutMs, timeoutMs } = declared;
  const signal = AbortSignal.any([boot.signal, AbortSignal.timeout(timeoutMs)]);
  const progress = (what: string) => {
    status.progress = what;
  };
  const mode = declared.mode === "off" ? "check" : declared.mode;
  const how: MigrateOptions = { mode, allowOutOfOrder, baseline, lockTimeoutMs, signal, log, progress };
  const running = withBooks(declared, options, boot, async (books) => {
    deadline.pause();
    return apply(declared, options, books, how);
  }).finally(() => progress(""));
  boot.closers.push({ name: "the migration", close: () => running.catch(() => {}) });
  const applied = await abortable(running, AbortSignal.timeout(timeoutMs + LATE_MS)).catch((error) => {
    throw isTimeout(error) ? tooLong(timeoutMs) : error;
  });
  deadline.resume();
  return applied;
}

function tooLong(ms: number): SallyportError {
  return new SallyportError("MIGRATION_FAILED", `migrate.timeout (${ms} ms) passed`, {
    hint: "What is applied stays applied; see what the database waits for, or raise migrate.timeout.",
  });
}

async function apply(
  declared: DatabaseConfig,
  options: PrepareOptions,
  books: Books,
  how: MigrateOptions,
): Promise<string[]> {
  const { settings, log } = options;
  if (declared.module) {
    const migrator = await loadMigrator(declared.module, settings, { signal: how.signal, log });
    return migrateByModule({ migrator, lock: books.lock }, how);
  }
  const { session, store, lock } = books;
  const folder = await readFolder(declared.folder as string);
  return migrate({ folder, store, lock, work: runContent(session, settings), cancel: session.cancel }, how);
}

export function findPending(
  declared: DatabaseConfig,
  options: PrepareOptions,
  boot: Boot,
): Promise<readonly string[]> {
  const { signal } = boot.deadline;
  return withBooks(declared, options, boot, async ({ store }) => {
    if (declared.module) {
      return pendingOfModule(
        await loadMigrator(declared.module, options.settings, { signal, log: options.log }),
      );
    }
    const folder = await readFolder(declared.folder as string);
    return checkPlan(planMigrations(folder, await store.records(), declared)).map(({ id }) => id);
  });
}

async function withBooks<T>(
  declared: DatabaseConfig,
  options: PrepareOptions,
  { log, signal, deadline }: Boot,
  work: (books: Books) => Promise<T>,
): Promise<T> {
  const database = await openDatabase(declared.migrator, { ...options, log });
  // The first connection is a part of the boot; later ones may come when its deadline is long past.
  const connect = (first: boolean) => database.connect(first ? deadline.signal : signal);
  const books = await openBooks({ ...database, connect: () => connect(false) }, await connect(true));
  try {
    return await work(books);
  } catch (error) {
    throw isStatementError(error) ? booksFault(error, database.title) : error;
  } finally {
    await books.close();
  }
}

function isStatementError(error: unknown): error is Error {
  return error instanceof Error && error.name === "StatementError";
}

function booksFault(cause: Error, title: string): SallyportError {
  const mayNot =
    errorName(cause) === "42501"
      ? " Let the owner of sallyport_migrations grant this user select on it."
      : "";
  return new SallyportError(
    "MIGRATION_FAILED",
    `${title}: the books of migrations can't be used: ${cause.message}`,
    {
      hint: `Correct the user's rights or its search_path.${mayNot}`,
      cause,
    },
  );
}
