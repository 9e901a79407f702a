/** The corridor's middle: database, migrate, schema. */
import { writeFile } from "node:fs/promises";
import type { DatabaseConfig } from "./config/database.ts";
import { type Database, openDatabase } from "./database/database.ts";
import type { Session } from "./database/session.ts";
import { SallyportError } from "./errors.ts";
import { compareIds } from "./migrate/folder.ts";
import { applyMigrations, findPending, hasMigrations, type PrepareOptions } from "./migrations.ts";
import {
  assertSchema,
  checkSchema,
  describeSchema,
  type Expectations,
  loadExpectations,
  type SchemaProblem,
} from "./schema/schema.ts";
import { type Boot, step } from "./step.ts";

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
  // Whether there are tables is only known to what would write the books.
  const { baseline } = declared;
  const isSeen = (id: string) => baseline !== undefined && compareIds(id, baseline) <= 0;
  const verb = (id: string) =>
    isSeen(id) ? "taken as applied by the baseline, or applied where there are no tables" : "applied";
  const planned = hasMigrations(declared) && step(boot, "migrate", plan, describePending);
  const pending = await Promise.resolve(planned || []).catch((error) => void failures.push(error));
  for (const id of pending ?? []) boot.log("info", "migration.pending", `${id} would be ${verb(id)}`, { id });
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
