/** MySQL and MariaDB: `information_schema`, a query for each kind of thing, since a UNION of them mixes collations. */
import type { Row, Session } from "../database/session.ts";
import {
  type Asked,
  isStatementError,
  type LiveColumn,
  type LiveSchema,
  type LiveTable,
  type SchemaDialect,
} from "./dialect.ts";
import { PRIVILEGES, type Privilege } from "./expectations.ts";
import { mend, path, quoteText } from "./mysql-mend.ts";
import { fitsMysql } from "./mysql-type.ts";

export const mysql: SchemaDialect = {
  read,
  fold: (name) => name.toLowerCase(),
  fits: (expected, { type, alsoTypes }) => [type, ...alsoTypes].some((it) => fitsMysql(expected, it)),
  mend,
};

const SERVER = `
select database() as current, current_user() as account, @@lower_case_table_names > 0 as folds,
  version() like '%mariadb%' as mariadb`;

/** For one database: MariaDB opens the files of all others where its name is not a constant. */
const COLUMNS = (wanted: string) => `
select
  t.table_name as table_name, t.table_type as table_type, c.column_name as name, c.column_type as type,
  c.is_nullable as nullable, c.extra as extra, c.column_default as preset, c.column_comment as comment,
  c.collation_name as collation, c.privileges as privileges
from information_schema.tables t
join information_schema.columns c on c.table_schema = t.table_schema and c.table_name = t.table_name
where t.table_schema = ? and c.table_schema = ? and t.table_name ${wanted}
order by t.table_name, c.ordinal_position`;

const INDEXES = (wanted: string) => `
select distinct table_name as table_name, index_name as name
from information_schema.statistics
where table_schema = ? and table_name ${wanted}`;

const DELETES = `
select '' as table_schema, '' as table_name
from information_schema.user_privileges where grantee = ? and privilege_type = 'DELETE'
union all
select table_schema, ''
from information_schema.schema_privileges where grantee = ? and privilege_type = 'DELETE'
union all
select table_schema, table_name
from information_schema.table_privileges where grantee = ? and privilege_type = 'DELETE'`;

async function read(session: Session, asked: Asked | undefined): Promise<LiveSchema> {
  const [server = {}] = await session.query(SERVER);
  const current = String(server.current);
  const user = quoteAccount(String(server.account));
  const names = Map.groupBy(asked?.tables ?? [], ({ schema }) => schema ?? current);
  const deletes = await session.query(DELETES, [user, user, user]);
  const tables: LiveTable[] = [];
  for (const schema of asked ? names.keys() : [current]) {
    const wanted = names.get(schema)?.map(({ name }) => name);
    const found = await readTables(session, schema, wanted);
    for (const { table, columns } of found) {
      const privileges = await readPrivileges(session, { table, columns }, deletes);
      tables.push({
        ...table,
        visible: schema === current,
        columns: columns.map((it) => toColumn(it, Boolean(server.mariadb))),
        privileges,
      });
    }
  }
  return {
    user,
    foldsTables: Boolean(server.folds),
    hidesTables: true,
    enums: undefined,
    extensions: undefined,
    tables,
  };
}

interface FoundTable {
  readonly table: Pick<LiveTable, "schema" | "name" | "kind" | "usable" | "indexes">;
  readonly columns: readonly Row[];
}

async function readTables(
  session: Session,
  schema: string,
  names: readonly string[] | undefined,
): Promise<FoundTable[]> {
  if (names?.length === 0) return [];
  const wanted = names ? `in (${names.map(() => "?").join(", ")})` : "is not null";
  const columns = await session.query(COLUMNS(wanted), [schema, schema, ...(names ?? [])]);
  const indexes = await session.query(INDEXES(wanted), [schema, ...(names ?? [])]);
  const indexesOf = Map.groupBy(indexes, ({ table_name }) => table_name);
  return [...Map.groupBy(columns, ({ table_name }) => table_name)].map(([name, rows]) => ({
    table: {
      schema,
      name: String(name),
      kind: String(rows[0]?.table_type).endsWith("VIEW") ? "view" : "table",
      usable: true,
      indexes: (indexesOf.get(name) ?? []).map((it) => ({ name: String(it.name), valid: true })),
    },
    columns: rows,
  }));
}

/** The catalog tells of three privileges by column, whoever gave them, and of the fourth only what was not given to a role. */
async function readPrivileges(
  session: Session,
  { table, columns }: FoundTable,
  deletes: readonly Row[],
): Promise<Privilege[]> {
  const byColumn = columns.map(({ privileges }) => String(privileges).split(","));
  const mayDelete = deletes.some(
    (it) =>
      (it.table_schema === "" || it.table_schema === table.schema) &&
      (it.table_name === "" || it.table_name === table.name),
  );
  const held: Privilege[] = PRIVILEGES.filter((it) => byColumn.every((some) => some.includes(it)));
  return mayDelete || (await tryDelete(session, path(table))) ? [...held, "delete"] : held;
}

/** Plans a statement that deletes nothing, and does not run it: to plan it takes the same privilege. */
async function tryDelete(session: Session, table: string): Promise<boolean> {
  try {
    await session.query(`explain delete from ${table} where 1 = 0`);
    return true;
  } catch (error) {
    if (isStatementError(error)) return false;
    throw error;
  }
}

function toColumn(row: Row, isMariadb: boolean): LiveColumn {
  const type = String(row.type);
  const extra = String(row.extra);
  return {
    name: String(row.name),
    type,
    // MariaDB has JSON as another word for it.
    alsoTypes: isMariadb && type === "longtext" ? ["json"] : [],
    nullable: row.nullable === "YES",
    generated: /\b(virtual|stored|persistent) generated\b/i.test(extra),
    rest: restOf(row, extra, isMariadb),
  };
}

function restOf({ preset, comment, collation, type }: Row, extra: string, isMariadb: boolean): string {
  const isExpression = isMariadb || /^bit\b/.test(String(type));
  const text = String(preset);
  const value = isExpression ? text : /default_generated/i.test(extra) ? `(${text})` : quoteText(text);
  const onUpdate = /\bon update (\S+)/i.exec(extra)?.[1];
  return [
    preset === null || (isMariadb && preset === "NULL") ? "" : ` DEFAULT ${value}`,
    /\bauto_increment\b/i.test(extra) ? " AUTO_INCREMENT" : "",
    onUpdate === undefined ? "" : ` ON UPDATE ${onUpdate}`,
    comment ? ` COMMENT ${quoteText(String(comment))}` : "",
    collation ? ` COLLATE ${collation}` : "",
  ].join("");
}

function quoteAccount(account: string): string {
  const at = account.lastIndexOf("@");
  return `'${account.slice(0, at)}'@'${account.slice(at + 1)}'`;
}
