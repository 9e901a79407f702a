/** The corridor's middle: database, migrate, schema. */
import { writeFile } from "node:fs/promises";
import type { AppLog } from "./app/context.ts";
import type { DatabaseConfig } from "./config/database.ts";
import { type Database, openDatabase } from "./database/database.ts";
import type { Session } from "./database/session.ts";
import { SallyportError } from "./errors.ts";
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

interface Connected {
  readonly database: Database;
  readonly session: Session;
  /** Read before anything is migrated, so that mistakes in the file are found first. */
  readonly expectations: Expectations | undefined;
}

/** The database answers, is migrated, and is what the app expects. @throws {SallyportError} */
export async function prepareDatabase(
  declared: DatabaseConfig,
  options: PrepareOptions,
  boot: Boot,
): Promise<void> {
  const connected = await connect(declared, options, boot);
  try {
    if (hasMigrations(declared)) {
      boot.deadline.pause();
      await step(boot, "migrate", () => applyMigrations(declared, options, boot), describeApplied);
      boot.deadline.resume();
    }
    await checkExpectations(connected, boot);
  } finally {
    await connected.session.close();
  }
}

/** The plan and the schema, without changing anything. @returns everything that is wrong */
export async function inspectDatabase(
  declared: DatabaseConfig,
  options: PrepareOptions,
  boot: Boot,
): Promise<unknown[]> {
  const failures: unknown[] = [];
  const connected = await connect(declared, options, boot);
  try {
    const plan = () => findPending(declared, options, boot);
    const planned = hasMigrations(declared) && step(boot, "migrate", plan, describePending);
    const pending = await Promise.resolve(planned || []).catch((error) => void failures.push(error));
    for (const id of pending ?? []) boot.log("info", "migration.pending", `${id} would be applied`, { id });
    // What is missing because it is only pending is no finding.
    if (pending?.length) boot.log("info", "schema.skipped", "the schema is checked when nothing is pending");
    else await checkExpectations(connected, boot).catch((error) => void failures.push(error));
  } finally {
    await connected.session.close();
  }
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
  const { database, session } = await connect({ ...declared, expect: undefined }, options, boot);
  try {
    const describe = () => describeSchema(session, database.dialect, boot.deadline.signal);
    const expectations = await step(boot, "schema", describe, () => `written to ${path}`);
    await writeFile(path, `${JSON.stringify(expectations, null, 2)}\n`);
  } finally {
    await session.close();
  }
}

function connect(
  { connection, expect }: Pick<DatabaseConfig, "connection" | "expect">,
  options: PrepareOptions,
  boot: Boot,
): Promise<Connected> {
  const open = async () => {
    const expectations = expect === undefined ? undefined : await loadExpectations(expect);
    const database = await openDatabase(connection, { ...options, log: boot.log });
    return { database, session: await database.connect(boot.deadline.signal), expectations };
  };
  return step(boot, "database", open, ({ database }) => database.title);
}

function hasMigrations({ mode, folder, module }: DatabaseConfig): boolean {
  return mode !== "off" && (folder ?? module) !== undefined;
}

/** A stop ends what can be rolled back, and waits for the rest; only then the process may leave. */
function applyMigrations(declared: DatabaseConfig, options: PrepareOptions, boot: Boot): Promise<string[]> {
  const { log, status } = boot;
  const signal = AbortSignal.any([boot.signal, AbortSignal.timeout(declared.timeoutMs)]);
  const progress = (what: string) => {
    status.progress = what;
  };
  const { allowOutOfOrder, baseline, lockTimeoutMs } = declared;
  const mode = declared.mode === "off" ? "check" : declared.mode;
  const how: MigrateOptions = { mode, allowOutOfOrder, baseline, lockTimeoutMs, signal, log, progress };
  const running = withBooks(declared, options, { log, signal }, (books) =>
    apply(declared, options, books, how),
  ).finally(() => {
    status.progress = undefined;
  });
  boot.closers.push({ name: "the migration", close: () => running.catch(() => {}) });
  return running;
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
  { log, deadline }: Boot,
): Promise<readonly string[]> {
  const { signal } = deadline;
  return withBooks(declared, options, { log, signal }, async ({ store }) => {
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
  { log, signal }: Pick<Boot, "log" | "signal">,
  work: (books: Books) => Promise<T>,
): Promise<T> {
  const database = await openDatabase(declared.migrator, { ...options, log });
  const books = await openBooks(database, signal);
  try {
    return await work(books);
  } finally {
    await books.close();
  }
}

async function checkExpectations({ database, session, expectations }: Connected, boot: Boot): Promise<void> {
  if (!expectations) return;
  const check = async () =>
    assertSchema(await checkSchema(session, database.dialect, expectations, boot.deadline.signal));
  const warnings = await step(boot, "schema", check, describeWarnings);
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
