/** What mends a schema in MySQL and MariaDB. */
import type { ColumnTarget, LiveAt, LiveColumn, Mend } from "./dialect.ts";
import { mergeLists } from "./mysql-type.ts";
import type { Name } from "./names.ts";

function quote(name: string): string {
  return `\`${name.replaceAll("`", "``")}\``;
}

export function quoteText(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
}

export function path({ schema, name }: { readonly [Part in keyof Name]: Name[Part] }): string {
  return schema === undefined ? quote(name) : `${quote(schema)}.${quote(name)}`;
}

function declare({ name, type, nullable }: ColumnTarget): string {
  return `${quote(name)} ${type ?? "…"}${nullable === false ? " NOT NULL" : ""}`;
}

function alter(at: LiveAt, action: string): string {
  return at.live.kind === "view"
    ? `CREATE OR REPLACE VIEW ${path(at.name)} AS SELECT …`
    : `ALTER TABLE ${path(at.name)} ${action}`;
}

/** One property of a column can't be altered alone: what is not said again is lost. */
function modify(at: LiveAt, live: LiveColumn, { name, type = "…", nullable }: ColumnTarget): string {
  const whole = mergeLists(type, live.type);
  const isText = /char|text|enum|set/i.test(whole);
  const rest = isText ? live.rest : live.rest.replace(/ COLLATE \w+$/, "");
  const how = live.generated ? " GENERATED ALWAYS AS (…)" : `${nullable ? " NULL" : " NOT NULL"}${rest}`;
  return alter(at, `MODIFY COLUMN ${quote(name)} ${whole}${how}`);
}

export const mend: Mend = {
  table: (table, columns) =>
    `CREATE TABLE ${path(table)} (${columns.length > 0 ? columns.map(declare).join(", ") : "…"})`,
  column: (at, column) => alter(at, `ADD COLUMN ${declare(column)}`),
  type: modify,
  nullable: modify,
  index: ({ name }, index) =>
    index.toUpperCase() === "PRIMARY"
      ? `ALTER TABLE ${path(name)} ADD PRIMARY KEY (…)`
      : `CREATE INDEX ${quote(index)} ON ${path(name)} (…)`,
  invalidIndex: ({ name }) => `ALTER TABLE ${path(name)} FORCE`,
  grant: ({ live }, privilege, user) => `GRANT ${privilege.toUpperCase()} ON ${path(live)} TO ${user}`,
  usage: (schema, user) => `GRANT SELECT ON ${quote(schema)}.* TO ${user}`,
  enum: (name) => `-- expect a column's type enum('…') in the place of ${name.name}`,
  enumValue: (name) => `-- expect a column's type enum('…') in the place of ${name.name}`,
  extension: () => "-- MySQL has no such extensions: take it out of the expectations",
};
