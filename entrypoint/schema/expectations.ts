/** The one definition of the expect file's shape: checks it at run time and gives editors their JSON Schema. */
import { readFile } from "node:fs/promises";
import * as z from "zod/mini";
import { SallyportError } from "../errors.ts";
import { findProblems } from "../issues.ts";
import { NAME_FORM } from "./names.ts";

export const PRIVILEGES = ["select", "insert", "update", "delete"] as const;
export type Privilege = (typeof PRIVILEGES)[number];
export type Severity = "error" | "warn";

/** Every item may be a bare word or an object with a severity of its own; else it has its table's, else it is an error. */
export interface Expectations {
  readonly $schema?: string;
  readonly tables?: Readonly<Record<string, TableExpectation>>;
  readonly enums?: Readonly<Record<string, readonly string[] | EnumExpectation>>;
  readonly extensions?: readonly (string | NamedItem<string>)[];
}

/** Of a table, a view, or anything else that is read like one. */
export interface TableExpectation {
  readonly columns?: Readonly<Record<string, string | ColumnExpectation>>;
  readonly indexes?: readonly (string | NamedItem<string>)[];
  /** Of the user who is connected. */
  readonly privileges?: readonly (Privilege | NamedItem<Privilege>)[];
  readonly severity?: Severity;
}

export interface ColumnExpectation {
  /** Any, where it is absent. */
  readonly type?: string;
  /** `false`: the app does not look for NULL. `true`: the app writes NULL. Absent: it does neither, so both are fine. */
  readonly nullable?: boolean;
  readonly severity?: Severity;
}

export interface EnumExpectation {
  readonly values: readonly string[];
  readonly severity?: Severity;
}

export interface NamedItem<Name> {
  readonly name: Name;
  readonly severity?: Severity;
}

const text = z.string().check(z.minLength(1, "a text that is not empty"));
const name = z
  .string()
  .check(
    z.regex(NAME_FORM, "one dot at most, as in billing.orders; a part with others stands in double quotes"),
  );
const severity = z.optional(z.enum(["error", "warn"]));
const named = <Name extends z.ZodMiniType>(word: Name) =>
  z.array(z.union([word, z.strictObject({ name: word, severity })]));

const column = z.strictObject({ type: z.optional(text), nullable: z.optional(z.boolean()), severity });

const table = z.strictObject({
  columns: z.optional(z.record(z.string(), z.union([text, column]))),
  indexes: z.optional(named(text)),
  privileges: z.optional(named(z.enum(PRIVILEGES))),
  severity,
});

const expectationsSchema: z.ZodMiniType = z.strictObject({
  $schema: z.optional(z.string()),
  tables: z.optional(z.record(name, table)),
  enums: z.optional(
    z.record(name, z.union([z.array(z.string()), z.strictObject({ values: z.array(z.string()), severity })])),
  ),
  extensions: z.optional(named(text)),
});

/** JSON Schema (draft 2020-12) for editors. */
export function expectationsJsonSchema(): object {
  return z.toJSONSchema(expectationsSchema, { io: "input" });
}

/** @throws {SallyportError} CONFIG_INVALID with every problem of the file */
export async function loadExpectations(path: string): Promise<Expectations> {
  const input = await readJson(path);
  const problems = findProblems(expectationsSchema, input);
  if (problems.length === 0) return input as Expectations;
  const count = problems.length === 1 ? "a problem" : `${problems.length} problems`;
  throw new SallyportError("CONFIG_INVALID", `${path} has ${count}`, {
    hint: "Correct it, or write it anew from a migrated database by check --write-schema.",
    problems,
  });
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse((await readFile(path, "utf8")).replace(/^\uFEFF/, ""));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new SallyportError("CONFIG_INVALID", `${path} can't be read: ${why}`, {
      hint: "What the app expects of its database is plain JSON without comments.",
      cause: error,
    });
  }
}
