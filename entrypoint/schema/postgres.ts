/** PostgreSQL: its catalog in one query. */
import type { Session } from "../database/session.ts";
import type { Asked, LiveColumn, LiveEnum, LiveSchema, LiveTable, SchemaDialect } from "./dialect.ts";
import type { Privilege } from "./expectations.ts";
import { mend, quote } from "./postgres-mend.ts";
import { fitsType, parseType } from "./type-form.ts";

export const postgres: SchemaDialect = { read, fold: (name) => name, fits, mend };

// Not to_regclass(): it raises for a schema that the user may not use, and that is one of the things to be told.
const ASKED = {
  tables: `exists (
    select from asked
    where asked.kind = 'table' and asked.name = relation.name
      and case when asked.schema is not null then asked.schema = relation.schema
          else relation.visible or not relation.usable and relation.schema in ('public', current_user) end)`,
  enums: `exists (
    select from asked
    where asked.kind = 'enum' and asked.name = enum.name
      and case when asked.schema is not null then asked.schema = enum.schema else enum.visible end)`,
};

/** Without the system's and the extensions' own, and without partitions, which come and go. */
const ALL = {
  tables: `relation.usable and not relation.is_partition
    and relation.schema !~ '^pg_' and relation.schema <> 'information_schema'
    and not exists (
      select from pg_depend
      where classid = 'pg_class'::regclass and objid = relation.oid and deptype = 'e')`,
  enums: `enum.usable and enum.schema !~ '^pg_' and enum.schema <> 'information_schema'
    and not exists (
      select from pg_depend
      where classid = 'pg_type'::regclass and objid = enum.oid and deptype = 'e')`,
};

const CATALOG = (wanted: typeof ALL) => `
with asked as (
  select kind, schema, name from jsonb_to_recordset($1::jsonb) as item (kind text, schema text, name text)
),
relation as (
  select
    class.oid,
    namespace.nspname as schema,
    class.relname as name,
    case class.relkind when 'p' then 'partitioned' when 'v' then 'view'
      when 'm' then 'materialized view' else 'table' end as kind,
    class.relispartition as is_partition,
    pg_table_is_visible(class.oid) as visible,
    has_schema_privilege(namespace.oid, 'usage') as usable
  from pg_class class
  join pg_namespace namespace on namespace.oid = class.relnamespace
  where class.relkind in ('r', 'p', 'v', 'm', 'f')
),
enum as (
  select
    type.oid,
    namespace.nspname as schema,
    type.typname as name,
    pg_type_is_visible(type.oid) as visible,
    has_schema_privilege(namespace.oid, 'usage') as usable
  from pg_type type
  join pg_namespace namespace on namespace.oid = type.typnamespace
  where type.typtype = 'e'
)
select
  current_user::text as "user",
  (select coalesce(jsonb_agg(extname), '[]') from pg_extension) as extensions,
  (
    select coalesce(jsonb_agg(jsonb_build_object(
      'schema', schema, 'name', name, 'visible', visible,
      'values', (select jsonb_agg(enumlabel order by enumsortorder) from pg_enum where enumtypid = enum.oid)
    )), '[]')
    from enum where ${wanted.enums}
  ) as enums,
  (
    select coalesce(jsonb_agg(jsonb_build_object(
      'schema', schema, 'name', name, 'visible', visible, 'kind', kind, 'usable', usable,
      'columns', (
        select jsonb_agg(jsonb_build_object(
          'name', attname,
          'type', format_type(atttypid, atttypmod),
          'typeName', typname,
          'baseType', case when typtype = 'd' then format_type(typbasetype, typtypmod) end,
          'nullable', not (attnotnull or typnotnull),
          'generated', attgenerated <> ''
        ) order by attnum)
        from pg_attribute
        join pg_type on pg_type.oid = atttypid
        where attrelid = relation.oid and attnum > 0 and not attisdropped
      ),
      'indexes', (
        select jsonb_agg(jsonb_build_object(
          'name', class.relname,
          'valid', index.indisvalid and index.indisready
        ))
        from pg_index index
        join pg_class class on class.oid = index.indexrelid
        where index.indrelid = relation.oid
      ),
      'privileges', (
        select jsonb_agg(privilege)
        from unnest(array['select', 'insert', 'update', 'delete']) as privilege
        where has_table_privilege(relation.oid, privilege)
      )
    )), '[]')
    from relation where ${wanted.tables}
  ) as tables`;

interface Found {
  readonly user: string;
  readonly extensions: string[];
  readonly enums: (Omit<LiveEnum, "values"> & { readonly values: string[] | null })[];
  readonly tables: FoundTable[];
}

type FoundTable = Omit<LiveTable, "columns" | "indexes" | "privileges"> & {
  readonly columns: FoundColumn[] | null;
  readonly indexes: { readonly name: string; readonly valid: boolean }[] | null;
  readonly privileges: Privilege[] | null;
};

type FoundColumn = Pick<LiveColumn, "name" | "type" | "nullable" | "generated"> & {
  readonly typeName: string;
  readonly baseType: string | null;
};

async function read(session: Session, asked: Asked | undefined): Promise<LiveSchema> {
  const items = [
    ...(asked?.tables ?? []).map((name) => ({ kind: "table", ...name })),
    ...(asked?.enums ?? []).map((name) => ({ kind: "enum", ...name })),
  ];
  const rows = await session.query(CATALOG(asked ? ASKED : ALL), [JSON.stringify(items)]);
  const { user, extensions, enums, tables } = rows[0] as unknown as Found;
  return {
    user: quote(user),
    foldsTables: false,
    hidesTables: false,
    extensions,
    enums: enums.map((it) => ({ ...it, values: it.values ?? [] })),
    tables: tables.map((table) => ({
      ...table,
      columns: (table.columns ?? []).map(toColumn),
      indexes: table.indexes ?? [],
      privileges: table.privileges ?? [],
    })),
  };
}

/** A client is told the type under a domain. A type's bare name need be neither quoted nor in the search path. */
function toColumn({ typeName, baseType, ...column }: FoundColumn): LiveColumn {
  const also = [...(baseType === null ? [] : [baseType]), `"${typeName.replaceAll('"', '""')}"`];
  return { ...column, alsoTypes: also, rest: "" };
}

/** https://www.postgresql.org/docs/current/datatype.html */
const ALIASES: Readonly<Record<string, string>> = {
  int: "integer",
  int4: "integer",
  serial: "integer",
  serial4: "integer",
  int2: "smallint",
  smallserial: "smallint",
  serial2: "smallint",
  int8: "bigint",
  bigserial: "bigint",
  serial8: "bigint",
  bool: "boolean",
  float4: "real",
  float8: "double precision",
  float: "double precision",
  decimal: "numeric",
  dec: "numeric",
  varchar: "character varying",
  "char varying": "character varying",
  char: "character",
  bpchar: "character",
  varbit: "bit varying",
  timestamp: "timestamp without time zone",
  timestamptz: "timestamp with time zone",
  time: "time without time zone",
  timetz: "time with time zone",
};

function fits(expected: string, { type, alsoTypes }: LiveColumn): boolean {
  const form = parseType(expected, ALIASES);
  const bare = { ...form, name: `"${expected.trim().replaceAll('"', '""')}"`, args: [] };
  return [type, ...alsoTypes].some((it) => {
    const actual = parseType(it, ALIASES);
    return fitsType(form, actual) || fitsType(bare, actual);
  });
}
