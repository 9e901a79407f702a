/** What a database has, as expectations that it fulfils: the file to begin with, to be shortened to what the app relies on. */
import type { LiveSchema, LiveTable } from "./dialect.ts";
import type { Expectations, TableExpectation } from "./expectations.ts";
import { isMigrationBook, printName } from "./names.ts";

export function describeLive({ tables, enums = [], extensions = [] }: LiveSchema): Expectations {
  const described = {
    tables: sorted(
      tables
        .filter(({ name }) => !isMigrationBook(name))
        .map((it) => [keyOf(it), describeTable(it)] as const),
    ),
    enums: sorted(enums.map((it) => [keyOf(it), it.values] as const)),
    // It is in every database, and no app asks for it.
    extensions: extensions.filter((name) => name !== "plpgsql").sort(),
  };
  return Object.fromEntries(
    Object.entries(described).filter(([, part]) => Object.keys(part).length > 0),
  ) as Expectations;
}

/** Columns in the order of the table, so that a review reads them as they were declared. */
function describeTable({ columns, indexes, privileges, kind }: LiveTable): TableExpectation {
  const valid = indexes
    .filter((index) => index.valid)
    .map(({ name }) => name)
    .sort();
  return {
    columns: Object.fromEntries(
      columns.map(({ name, type, nullable }) => {
        // Of a view's columns, databases know it only now and then.
        const required = !nullable && !kind.endsWith("view");
        if (!required && type !== "") return [name, type];
        return [name, { ...(type !== "" && { type }), ...(required && { nullable: false }) }];
      }),
    ),
    ...(valid.length > 0 && { indexes: valid }),
    ...(privileges && privileges.length > 0 && { privileges }),
  };
}

function keyOf({ schema, name, visible }: { schema: string; name: string; visible: boolean }): string {
  return printName({ schema: visible ? undefined : schema, name });
}

/** By code units: a collation would make the order depend on the machine. */
function sorted<Value>(entries: (readonly [string, Value])[]): Readonly<Record<string, Value>> {
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
