/** The extension point: what the check has to know of a kind of database. */
import type { Session, StatementError } from "../database/session.ts";
import type { Privilege } from "./expectations.ts";
import type { Name } from "./names.ts";

/** What a database has, out of its catalog. */
export interface LiveSchema {
  /** As a GRANT names the one who is connected. */
  readonly user: string;
  /** True where `Orders` and `orders` are one table. */
  readonly foldsTables: boolean;
  /** True where a table that the user may do nothing with looks like none. */
  readonly hidesTables: boolean;
  readonly tables: readonly LiveTable[];
  /** `undefined` where the dialect has no such thing. */
  readonly enums: readonly LiveEnum[] | undefined;
  readonly extensions: readonly string[] | undefined;
}

/** What a bare name finds is `visible`. */
interface Located {
  readonly schema: string;
  readonly name: string;
  readonly visible: boolean;
}

export interface LiveTable extends Located {
  readonly kind: "table" | "partitioned" | "view" | "materialized view";
  /** False where the user may not even look into the schema. */
  readonly usable: boolean;
  readonly columns: readonly LiveColumn[];
  readonly indexes: readonly LiveIndex[];
  /** `undefined` where the database knows no users. */
  readonly privileges: readonly Privilege[] | undefined;
}

export interface LiveColumn {
  readonly name: string;
  /** In full, as the database prints it. */
  readonly type: string;
  /** Other types that it is to a client as well, such as the one under a domain. */
  readonly alsoTypes: readonly string[];
  readonly nullable: boolean;
  readonly generated: boolean;
  /** What SQL that declares the column anew must not forget; for dialects that can't change one property alone. */
  readonly rest: string;
}

export interface LiveIndex {
  readonly name: string;
  readonly valid: boolean;
}

export interface LiveEnum extends Located {
  readonly values: readonly string[];
}

/** Names that are expected; others need not be read. */
export interface Asked {
  readonly tables: readonly Name[];
  readonly enums: readonly Name[];
}

/** For implementers: the catalog alone is read, never a row of a table, and a user without any privilege may ask. */
export interface SchemaDialect {
  /** @param asked `undefined` for all that is not the system's, in a stable order */
  read(session: Session, asked: Asked | undefined): Promise<LiveSchema>;
  /** Names of columns and indexes that are equal after this are equal to the database. */
  fold(name: string): string;
  fits(expected: string, column: LiveColumn): boolean;
  readonly mend: Mend;
}

/** A column as it should be. */
export interface ColumnTarget {
  readonly name: string;
  readonly type?: string | undefined;
  readonly nullable?: boolean | undefined;
}

/** SQL that makes a difference go away. `…` stands for what nobody here can know, a comment for what this dialect can't have. */
export interface Mend {
  table(table: Name, columns: readonly ColumnTarget[]): string;
  column(at: LiveAt, column: ColumnTarget): string;
  type(at: LiveAt, column: LiveColumn, target: ColumnTarget): string;
  nullable(at: LiveAt, column: LiveColumn, target: ColumnTarget): string;
  index(at: LiveAt, index: string): string;
  invalidIndex(at: LiveAt, index: string): string;
  grant(at: LiveAt, privilege: Privilege, user: string): string;
  usage(schema: string, user: string): string;
  enum(name: Name, values: readonly string[]): string;
  enumValue(name: Name, value: string): string;
  extension(name: string): string;
}

/** A table by the name that was asked for, with what was found there. */
export interface LiveAt {
  readonly name: Name;
  readonly live: LiveTable;
}

/** By its name: rooms know of one another only types. */
export function isStatementError(error: unknown): error is StatementError {
  return error instanceof Error && error.name === "StatementError";
}
