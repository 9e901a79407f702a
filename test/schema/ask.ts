/** Sessions for the tests of this room, and what they find in one line each. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openDatabase } from "../../entrypoint/database/database.ts";
import type { Session } from "../../entrypoint/database/session.ts";
import {
  checkSchema,
  type Expectations,
  loadExpectations,
  type SchemaProblem,
} from "../../entrypoint/schema/schema.ts";
import { makeFolder } from "../folder.ts";

type Dialect = "postgres" | "mysql" | "sqlite";

export interface Asking extends AsyncDisposable {
  readonly session: Session;
  readonly dialect: Dialect;
  check(expected: Expectations, signal?: AbortSignal): Promise<SchemaProblem[]>;
}

export async function ask(url: string): Promise<Asking> {
  const { dialect, connect } = await openDatabase(
    { url: "URL" },
    { readText: () => url, directory: import.meta.dirname, log: () => {} },
  );
  const session = await connect(AbortSignal.timeout(30_000));
  return {
    session,
    dialect,
    check: (expected, signal = new AbortController().signal) =>
      checkSchema(session, dialect, expected, signal),
    [Symbol.asyncDispose]: () => session.close(),
  };
}

/** What the expectations are after they went through the file that the app ships. */
export async function throughFile(expectations: Expectations): Promise<Expectations> {
  const file = join(makeFolder(), "schema.json");
  await writeFile(file, JSON.stringify(expectations));
  return loadExpectations(file);
}

export async function countQueries(asking: Asking, work: () => Promise<void>): Promise<number> {
  let queries = 0;
  const { query } = asking.session;
  const counting: typeof query = (...asked) => {
    queries++;
    return query(...asked);
  };
  Object.assign(asking.session, { query: counting });
  await work();
  return queries;
}

export function tell(problems: readonly SchemaProblem[]): string[] {
  return problems.map(
    ({ subject, message, severity }) => `${severity === "warn" ? "(warning) " : ""}${subject}: ${message}`,
  );
}

export function mends(problems: readonly SchemaProblem[]): string[] {
  return problems.map(({ mend }) => mend);
}

/** Runs each mend as it is told, by somebody who may, and finds nothing wrong afterwards. */
export async function assertMends(
  asking: Asking,
  expected: Expectations,
  mechanic = asking.session,
): Promise<void> {
  const problems = await asking.check(expected);
  assert.notDeepEqual(problems, []);
  for (const { mend } of problems) await mechanic.run(mend);
  assert.deepEqual(tell(await asking.check(expected)), []);
}
