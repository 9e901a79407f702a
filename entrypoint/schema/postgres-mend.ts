/** What mends a schema in PostgreSQL. */
import type { ColumnTarget, LiveAt, Mend } from "./dialect.ts";
import type { Name } from "./names.ts";

export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function path({ schema, name }: Name): string {
  return schema === undefined ? quote(name) : `${quote(schema)}.${quote(name)}`;
}

function declare({ name, type, nullable }: ColumnTarget): string {
  return `${quote(name)} ${type ?? "…"}${nullable === false ? " NOT NULL" : ""}`;
}

const isView = ({ live }: LiveAt) => live.kind === "view" || live.kind === "materialized view";

function replaceView({ name, live }: LiveAt): string {
  return live.kind === "view"
    ? `CREATE OR REPLACE VIEW ${path(name)} AS SELECT …`
    : `DROP MATERIALIZED VIEW ${path(name)}; CREATE MATERIALIZED VIEW ${path(name)} AS SELECT …`;
}

function alter(at: LiveAt, action: string): string {
  return isView(at) ? replaceView(at) : `ALTER TABLE ${path(at.name)} ${action}`;
}

/** `serial` is a type only where a column is made. */
const SERIAL: Readonly<Record<string, string>> = {
  serial: "integer",
  serial4: "integer",
  bigserial: "bigint",
  serial8: "bigint",
  smallserial: "smallint",
  serial2: "smallint",
};

export const mend: Mend = {
  table: (table, columns) =>
    `CREATE TABLE ${path(table)} (${columns.length > 0 ? columns.map(declare).join(", ") : "…"})`,
  column: (at, column) => alter(at, `ADD COLUMN ${declare(column)}`),
  type(at, { generated }, { name, type = "…" }) {
    const plain = SERIAL[type.toLowerCase()] ?? type;
    // Types that don't turn into one another by themselves do so by a cast; a generated column is computed anew.
    const using = generated ? "" : ` USING ${quote(name)}::${plain}`;
    return alter(at, `ALTER COLUMN ${quote(name)} TYPE ${plain}${using}`);
  },
  nullable: (at, _column, { name, nullable }) =>
    alter(at, `ALTER COLUMN ${quote(name)} ${nullable ? "DROP" : "SET"} NOT NULL`),
  index(at, index) {
    // A partitioned table can't have one made concurrently.
    const how = at.live.kind === "partitioned" ? "" : " CONCURRENTLY";
    return `CREATE INDEX${how} ${quote(index)} ON ${path(at.name)} (…)`;
  },
  invalidIndex(at, index) {
    const name = path({ schema: at.name.schema, name: index });
    return at.live.kind === "partitioned"
      ? `ALTER INDEX ${name} ATTACH PARTITION …`
      : `REINDEX INDEX CONCURRENTLY ${name}`;
  },
  grant: (at, privilege, user) => `GRANT ${privilege.toUpperCase()} ON ${path(at.name)} TO ${user}`,
  usage: (schema, user) => `GRANT USAGE ON SCHEMA ${quote(schema)} TO ${user}`,
  enum: (name, values) => `CREATE TYPE ${path(name)} AS ENUM (${values.map(quoteText).join(", ")})`,
  enumValue: (name, value) => `ALTER TYPE ${path(name)} ADD VALUE ${quoteText(value)}`,
  extension: (name) => `CREATE EXTENSION ${quote(name)}`,
};
