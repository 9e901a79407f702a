/** SQLite by `node:sqlite`. */
import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import { setImmediate as nextTurn } from "node:timers/promises";
import { errorName, SallyportError } from "../errors.ts";
import { TransientError } from "../retry.ts";
import { type Row, type Session, StatementError } from "./session.ts";
import type { Target } from "./target.ts";

/** How long a statement waits for another process's, with the event loop standing still meanwhile. */
const BUSY_TIMEOUT_MS = 1_000;

export async function openSqlite({ name, title }: Target): Promise<Session> {
  const database = openFile(name, title);
  return {
    async run(script) {
      // A statement stops the event loop; between two of them, health checks and signals have their turn.
      await nextTurn();
      ask(() => database.exec(script));
    },
    query: async (sql, parameters = []) =>
      ask(() => database.prepare(sql).all(...parameters.map(toValue))) as Row[],
    // While a statement runs, nothing else does, so there is never one to be cancelled.
    cancel: async () => {},
    lost: new AbortController().signal,
    async close() {
      if (database.isOpen) database.close();
    },
  };
}

function openFile(name: string, title: string): DatabaseSync {
  const { DatabaseSync } = loadSqlite();
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(name, { timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: true });
    // Opening alone does not look into the file.
    database.exec("select count(*) from sqlite_schema");
    return database;
  } catch (error) {
    database?.close();
    throw openFault(error, title);
  }
}

/**
 * Not by `import`: the bundler would lift it to the top of the bundle, and Node 22 warn of it in every container. The one warning
 * is of no use to whoever runs this. https://nodejs.org/docs/latest-v22.x/api/sqlite.html
 */
function loadSqlite(): typeof import("node:sqlite") {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return process.getBuiltinModule("node:sqlite");
  } finally {
    process.emitWarning = emitWarning;
  }
}

function toValue(parameter: unknown): SQLInputValue {
  if (typeof parameter === "boolean") return Number(parameter);
  return parameter === undefined ? null : (parameter as SQLInputValue);
}

/** https://sqlite.org/rescode.html */
const CODES: Readonly<Record<number, string>> = {
  1: "SQLITE_ERROR",
  5: "SQLITE_BUSY",
  6: "SQLITE_LOCKED",
  8: "SQLITE_READONLY",
  9: "SQLITE_INTERRUPT",
  10: "SQLITE_IOERR",
  11: "SQLITE_CORRUPT",
  13: "SQLITE_FULL",
  14: "SQLITE_CANTOPEN",
  17: "SQLITE_SCHEMA",
  19: "SQLITE_CONSTRAINT",
  20: "SQLITE_MISMATCH",
  23: "SQLITE_AUTH",
  26: "SQLITE_NOTADB",
};

function codeOf(error: unknown): string {
  const { errcode } = error as { errcode?: number };
  // The higher bits tell kinds of one error apart.
  return errcode === undefined ? errorName(error) : (CODES[errcode & 0xff] ?? `SQLITE_${errcode}`);
}

function openFault(error: unknown, title: string): Error {
  const code = codeOf(error);
  if (/BUSY|LOCKED/.test(code))
    return new TransientError(`another process is writing (${code})`, { cause: error });
  if (code === "SQLITE_NOTADB") {
    return new SallyportError("DATABASE_INVALID", `${title} is no SQLite database`, {
      hint: "Name another file. An encrypted one can't be read here.",
      cause: error,
    });
  }
  return new SallyportError("DATABASE_UNREACHABLE", `${title} can't be opened (${code})`, {
    hint: "Is its folder there, on a volume, and may this container's user write to it?",
    cause: error,
  });
}

function ask<T>(statement: () => T): T {
  try {
    return statement();
  } catch (error) {
    throw new StatementError(codeOf(error), error instanceof Error ? error.message : String(error));
  }
}
