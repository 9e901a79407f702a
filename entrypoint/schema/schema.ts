/** The schema room: whether the database is what the app relies on, read from its catalog alone. */
import { abortable, isTimeout } from "../abort.ts";
import type { Session } from "../database/session.ts";
import type { Dialect as DialectName } from "../database/target.ts";
import { type Problem, SallyportError } from "../errors.ts";
import { compareSchema, type SchemaProblem } from "./compare.ts";
import { describeLive } from "./describe.ts";
import { type Asked, isStatementError, type LiveSchema, type SchemaDialect } from "./dialect.ts";
import type { Expectations } from "./expectations.ts";
import { parseName } from "./names.ts";

export type { SchemaProblem } from "./compare.ts";
export { type Expectations, expectationsJsonSchema, loadExpectations } from "./expectations.ts";

const DIALECTS: Readonly<Record<DialectName, () => Promise<SchemaDialect>>> = {
  postgres: async () => (await import("./postgres.ts")).postgres,
  mysql: async () => (await import("./mysql.ts")).mysql,
  sqlite: async () => (await import("./sqlite.ts")).sqlite,
};

const CHECK_TIMEOUT_MS = 5_000;
const DESCRIBE_TIMEOUT_MS = 60_000;

/** Every difference at once; none where the database has what is expected, and maybe more. */
export async function checkSchema(
  session: Session,
  dialect: DialectName,
  expectations: Expectations,
  signal: AbortSignal,
): Promise<SchemaProblem[]> {
  const loaded = await DIALECTS[dialect]();
  const asked: Asked = {
    tables: Object.keys(expectations.tables ?? {}).map(parseName),
    enums: Object.keys(expectations.enums ?? {}).map(parseName),
  };
  const live = await read(session, signal, CHECK_TIMEOUT_MS, () => loaded.read(session, asked));
  return compareSchema(expectations, { live, dialect: loaded });
}

/** What the database has, in an order that is always the same. */
export async function describeSchema(
  session: Session,
  dialect: DialectName,
  signal: AbortSignal = AbortSignal.timeout(DESCRIBE_TIMEOUT_MS),
): Promise<Expectations> {
  const loaded = await DIALECTS[dialect]();
  return describeLive(
    await read(session, signal, DESCRIBE_TIMEOUT_MS, () => loaded.read(session, undefined)),
  );
}

/** @returns the warnings. @throws {SallyportError} SCHEMA_INVALID with every error */
export function assertSchema(found: readonly SchemaProblem[]): SchemaProblem[] {
  const errors = found.filter(({ severity }) => severity === "error");
  if (errors.length === 0) return [...found];
  const count = errors.length === 1 ? "one difference" : `${errors.length} differences`;
  throw new SallyportError("SCHEMA_INVALID", `the database is not what the app expects: ${count}`, {
    hint: "Add a migration, or run the SQL that is told with each; what the app does not rely on should not be expected.",
    problems: errors.map(
      ({ subject, message, mend }): Problem => ({ subject, message: `${message}: ${mend}` }),
    ),
  });
}

/** The signal, and a deadline of its own: a migration elsewhere may hold a lock on the catalog. */
async function read(
  session: Session,
  signal: AbortSignal,
  timeoutMs: number,
  work: () => Promise<LiveSchema>,
): Promise<LiveSchema> {
  const deadline = AbortSignal.timeout(timeoutMs);
  const either = AbortSignal.any([signal, deadline]);
  either.throwIfAborted();
  const cancel = () => void session.cancel().catch(() => {});
  either.addEventListener("abort", cancel, { once: true });
  try {
    return await abortable(work(), either);
  } catch (error) {
    throw signal.aborted ? signal.reason : readFault(error, timeoutMs);
  } finally {
    either.removeEventListener("abort", cancel);
  }
}

/** SQLSTATE of PostgreSQL, the names of mysql2, and the system's. */
const BROKEN = /^(08|57P|PROTOCOL_|E[A-Z]+$)/;

function readFault(error: unknown, timeoutMs: number): unknown {
  if (isTimeout(error)) {
    return new SallyportError(
      "DATABASE_UNREACHABLE",
      `the database did not tell its schema within ${timeoutMs} ms`,
      { hint: "Does a migration hold a lock on its catalog?", cause: error },
    );
  }
  if (!isStatementError(error)) return error;
  if (BROKEN.test(error.code)) {
    return new SallyportError(
      "DATABASE_UNREACHABLE",
      `the connection broke while the schema was read (${error.code})`,
      { hint: "Look into the database's log.", cause: error },
    );
  }
  return new SallyportError(
    "SCHEMA_INVALID",
    `the database's schema can't be read: ${error.message} (${error.code})`,
    { hint: "Check what its catalog lets this user read.", cause: error },
  );
}
