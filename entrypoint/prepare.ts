/** The corridor's middle: database, migrate, schema. */
import { writeFile } from "node:fs/promises";
import { abortable, isTimeout } from "./abort.ts";
import type { AppLog } from "./app/context.ts";
import type { DatabaseConfig } from "./config/database.ts";
import { type Database, openDatabase } from "./database/database.ts";
import type { Session } from "./database/session.ts";
import { errorName, SallyportError } from "./errors.ts";
import { type Books, openBooks } from "./migrate/books.ts";
import { readFolder } from "./migrate/folder.ts";
import { checkPlan, type MigrateOptions, migrate } from "./migrate/migrate.ts";
import { loadMigrator, migrateByModule, pendingOfModule } from "./migrate/module.ts";
import { planMigrations } from "./migrate/plan.ts";
import { runContent } from "./migrate/work.ts";
import {
  assertSchema,
  checkSchema,
  describeSchema,
  type Expectations,
  loadExpectations,
  type SchemaProblem,
} from "./schema/schema.ts";
import { type Boot, step } from "./step.ts";

export interface PrepareOptions {
  /** Absolute; what the config names relatively starts here. */
  readonly directory: string;
  /** A setting's text by its name. */
  readonly readText: (name: string) => string | undefined;
  /** For migrations that are modules. */
  readonly settings: object;
  readonly log: AppLog;
}

interface Contact {
  readonly database: Database;
  /** Read before anything is migrated, so that mistakes in the file are found first. */
  readonly expectations: Expectations | undefined;
}

/** The database answers, is migrated, and is what the app expects. @throws {SallyportError} */
export async function prepareDatabase(
  declared: DatabaseConfig,
  options: PrepareOptions,
  boot: Boot,
): Promise<void> {
  const contact = await connect(declared, options, boot);
  if (hasMigrations(declared)) {
    await step(boot, "migrate", () => applyMigrations(declared, options, boot), describeApplied);
  }
  await checkExpectations(contact, boot);
}

/** The plan and the schema, without changing anything. @returns everything that is wrong */
export async function inspectDatabase(
  declared: DatabaseConfig,
  options: PrepareOptions,
  boot: Boot,
): Promise<unknown[]> {
  const failures: unknown[] = [];
  const contact = await connect(declared, options, boot);
  const plan = () => findPending(declared, options, boot);
  const planned = hasMigrations(declared) && step(boot, "migrate", plan, describePending);
  const pending = await Promise.resolve(planned || []).catch((error) => void failures.push(error));
  for (const id of pending ?? []) boot.log("info", "migration.pending", `${id} would be applied`, { id });
  // What is missing because it is only pending is no finding.
  if (pending?.length) boot.log("info", "schema.skipped", "the schema is checked when nothing is pending");
  else await checkExpectations(contact, boot).catch((error) => void failures.push(error));
  return failures;
}

/** Writes what the live database has into the file that the config names. */
export async function writeExpectations(
  declared: DatabaseConfig,
  options: PrepareOptions,
  boot: Boot,
): Promise<void> {
  const path = declared.expect;
  if (path === undefined) {
    throw new SallyportError("CONFIG_INVALID", "database.expect does not say which file to write", {
      hint: 'Name one in the config: "expect": "./schema.json".',
    });
  }
  // The file may be there already, and may be what is to be mended.
  const { database } = await connect({ ...declared, expect: undefined }, options, boot);
  const describe = () =>
    withSession(database, boot, (session) => describeSchema(session, database.dialect, boot.deadline.signal));
  const expectations = await step(boot, "schema", describe, () => `written to ${path}`);
  await writeFile(path, `${JSON.stringify(expectations, null, 2)}\n`);
}

/** The first contact proves the login. It is not kept: a migration may take longer than a silent connection lives. */
function connect(
  { connection, expect }: Pick<DatabaseConfig, "connection" | "expect">,
  options: PrepareOptions,
  boot: Boot,
): Promise<Contact> {
  const open = async () => {
    const expectations = expect === undefined ? undefined : await loadExpectations(expect);
    const database = await openDatabase(connection, { ...options, log: boot.log });
    await withSession(database, boot, async () => {});
    return { database, expectations };
  };
  return step(boot, "database", open, ({ database }) => database.title);
}

async function withSession<T>(
  database: Database,
  { deadline }: Boot,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await database.connect(deadline.signal);
  try {
    return await work(session);
  } finally {
    await session.close();
  }
}

function hasMigrations({ mode, folder, module }: DatabaseConfig): boolean {
  return mode !== "off" && (folder ?? module) !== undefined;
}

/** For what can't be cancelled: a connection that is half open, a statement of MySQL's. */
const LATE_MS = 2_000;

/** A stop ends what can be rolled back, and waits for the rest; only then the process may leave. */
async function applyMigrations(
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

function findPending(
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

async function checkExpectations({ database, expectations }: Contact, boot: Boot): Promise<void> {
  if (!expectations) return;
  const { signal } = boot.deadline;
  const check = () =>
    withSession(database, boot, (session) => checkSchema(session, database.dialect, expectations, signal));
  const warnings = await step(boot, "schema", async () => assertSchema(await check()), describeWarnings);
  for (const { subject, message, mend } of warnings)
    boot.log("warn", "schema.differs", `${message}: ${mend}`, { subject });
}

function describePending(pending: readonly string[]): string {
  return pending.length === 0 ? "nothing to apply" : `${pending.length} to apply`;
}

function describeApplied(applied: readonly string[]): string {
  return applied.length === 0 ? "nothing to apply" : `${applied.length} applied: ${applied.join(", ")}`;
}

function describeWarnings({ length }: readonly SchemaProblem[]): string {
  return length === 0 ? "as expected" : `as expected, but for ${length} that only warn`;
}
