/** SQLite: its pragmas as tables, in one query. */
import type { Row, Session } from "../database/session.ts";
import {
  type Asked,
  type ColumnTarget,
  isStatementError,
  type LiveAt,
  type LiveSchema,
  type LiveTable,
  type Mend,
  type SchemaDialect,
} from "./dialect.ts";
import type { Name } from "./names.ts";
import { fitsType, parseType } from "./type-form.ts";

const ASKED = "lower(name) in (select lower(value) from json_each(?))";
const ALL = "schema = 'main' and type <> 'virtual'";

const RELATIONS = (wanted: string) => `
select schema, name, type
from pragma_table_list
where type in ('table', 'view', 'virtual') and name not like 'sqlite\\_%' escape '\\' and ${wanted}`;

const CATALOG = (wanted: string) => `
with relation as materialized (${RELATIONS(wanted)})
select
  relation.schema, relation.name as "table", relation.type as "of",
  'column' as kind, item.name, item.type,
  -- A row's own number is never NULL, though the pragma says it could be.
  item."notnull" or item.pk = 1 and lower(item.type) = 'integer' and (
    select count(*) = 1 from pragma_table_xinfo(relation.name, relation.schema) as key where key.pk > 0
  ) as required,
  item.hidden > 1 as generated
from relation, pragma_table_xinfo(relation.name, relation.schema) as item
where item.hidden <> 1
union all
select relation.schema, relation.name, relation.type, 'index', item.name, '', 0, 0
from relation, pragma_index_list(relation.name, relation.schema) as item
where item.origin = 'c'`;

async function read(session: Session, asked: Asked | undefined): Promise<LiveSchema> {
  const rows = asked
    ? await readRows(session, ASKED, [JSON.stringify(asked.tables.map(({ name }) => name))])
    : await readRows(session, ALL, []);
  const grouped = Map.groupBy(rows, ({ schema, table }) => JSON.stringify([schema, table]));
  return {
    user: "",
    foldsTables: true,
    hidesTables: false,
    enums: undefined,
    extensions: undefined,
    tables: [...grouped.values()].map(toTable),
  };
}

/** A view over what is not there any more fails everything that is read with it; then each is read alone. */
async function readRows(session: Session, wanted: string, parameters: readonly unknown[]): Promise<Row[]> {
  const whole = await session.query(CATALOG(wanted), parameters).catch(passStatementError);
  if (whole) return whole;
  const rows: Row[] = [];
  for (const { schema, name } of await session.query(RELATIONS(wanted), parameters)) {
    const alone = session.query(CATALOG("schema = ? and name = ?"), [schema, name]);
    rows.push(...((await alone.catch(passStatementError)) ?? []));
  }
  return rows;
}

function passStatementError(error: unknown): undefined {
  if (!isStatementError(error)) throw error;
}

function toTable(rows: Row[]): LiveTable {
  const [{ schema, table, of } = {}] = rows;
  return {
    schema: String(schema),
    name: String(table),
    kind: of === "view" ? "view" : "table",
    visible: schema === "main" || schema === "temp",
    usable: true,
    columns: rows
      .filter(({ kind }) => kind === "column")
      .map(({ name, type, required, generated }) => ({
        name: String(name),
        type: String(type),
        alsoTypes: [],
        nullable: !required,
        generated: Boolean(generated),
        rest: "",
      })),
    indexes: rows
      .filter(({ kind }) => kind === "index")
      .map(({ name }) => ({ name: String(name), valid: true })),
    privileges: undefined,
  };
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function path({ schema, name }: Name): string {
  return schema === undefined ? quote(name) : `${quote(schema)}.${quote(name)}`;
}

/** @param added to a table that exists, where every row needs a value */
function declare({ name, type, nullable }: ColumnTarget, added = false): string {
  const required = nullable === false ? ` NOT NULL${added ? " DEFAULT …" : ""}` : "";
  return `${quote(name)}${type ? ` ${type}` : ""}${required}`;
}

function replaceView({ name }: LiveAt): string {
  return `DROP VIEW ${path(name)}; CREATE VIEW ${path(name)} AS SELECT …`;
}

/** A column's type can't be altered: https://sqlite.org/lang_altertable.html#otheralter */
function rebuild({ name: table, live }: LiveAt, target: ColumnTarget): string {
  if (live.kind === "view") return replaceView({ name: table, live });
  const fresh = path({ ...table, name: `${table.name}_new` });
  return [
    `CREATE TABLE ${fresh} (… ${declare(target)} …)`,
    `INSERT INTO ${fresh} SELECT … FROM ${path(table)}`,
    `DROP TABLE ${path(table)}`,
    `ALTER TABLE ${fresh} RENAME TO ${quote(table.name)}`,
  ].join("; ");
}

const mend: Mend = {
  table: (table, columns) =>
    `CREATE TABLE ${path(table)} (${columns.length > 0 ? columns.map((it) => declare(it)).join(", ") : "…"})`,
  column: (at, column) =>
    at.live.kind === "view"
      ? replaceView(at)
      : `ALTER TABLE ${path(at.name)} ADD COLUMN ${declare(column, true)}`,
  type: (at, _column, target) => rebuild(at, target),
  nullable: (at, _column, target) => rebuild(at, target),
  index: ({ name }, index) => `CREATE INDEX ${path({ ...name, name: index })} ON ${quote(name.name)} (…)`,
  invalidIndex: ({ name }, index) => `REINDEX ${path({ ...name, name: index })}`,
  grant: () => "-- SQLite has no users: take the privilege out of the expectations",
  usage: () => "-- SQLite has no users",
  enum: () => "-- SQLite has no enums: take it out of the expectations",
  enumValue: () => "-- SQLite has no enums: take it out of the expectations",
  extension: () => "-- SQLite has no such extensions: take it out of the expectations",
};

export const sqlite: SchemaDialect = {
  read,
  fold: (name) => name.toLowerCase(),
  fits: (expected, { type }) => fitsType(parseType(expected, {}), parseType(type, {})),
  mend,
};
