/** Expectations against what a database has, as plain values. Things in the database that nobody expects are fine. */
import type { ColumnTarget, LiveAt, LiveSchema, LiveTable, SchemaDialect } from "./dialect.ts";
import type {
  ColumnExpectation,
  EnumExpectation,
  Expectations,
  NamedItem,
  Severity,
  TableExpectation,
} from "./expectations.ts";
import { type Name, parseName } from "./names.ts";

export interface SchemaProblem {
  /** `orders.note` for a column, else the name of a table, enum, extension or schema. */
  readonly subject: string;
  /** What is different. */
  readonly message: string;
  readonly severity: Severity;
  /** The SQL that makes it go away; `…` in it is for a human to fill in. */
  readonly mend: string;
}

interface Sight {
  readonly live: LiveSchema;
  readonly dialect: SchemaDialect;
}

/** In an order in which the mends can run: a table may need an enum, and that an extension. */
export function compareSchema(expected: Expectations, sight: Sight): SchemaProblem[] {
  const tables = entriesOf(expected.tables);
  return [
    ...(expected.extensions ?? []).flatMap((item) => compareExtension(item, sight)),
    ...entriesOf(expected.enums).flatMap(([key, item]) => compareEnum(key, item, sight)),
    ...compareSchemas(tables, sight),
    ...tables.flatMap(([key, table]) => compareTable(key, table, sight)),
  ];
}

function compareExtension(item: string | NamedItem<string>, { live, dialect }: Sight): SchemaProblem[] {
  const { name: subject, severity } = spell(item, "error");
  if (live.extensions?.includes(subject)) return [];
  const message = live.extensions ? "the extension is not installed" : "this database has no extensions";
  return [{ subject, message, severity, mend: dialect.mend.extension(subject) }];
}

function compareEnum(
  subject: string,
  item: readonly string[] | EnumExpectation,
  { live, dialect }: Sight,
): SchemaProblem[] {
  const { values, severity = "error" } = isList(item) ? { values: item } : item;
  const name = parseName(subject);
  const found = live.enums?.find((it) => it.name === name.name && isThere(it, name));
  if (!found) {
    const message = live.enums ? "the enum does not exist" : "this database has no enums with names";
    return [{ subject, message, severity, mend: dialect.mend.enum(name, values) }];
  }
  return values
    .filter((value) => !found.values.includes(value))
    .map((value) => ({
      subject,
      message: `the enum has no value '${value}'`,
      severity,
      mend: dialect.mend.enumValue(name, value),
    }));
}

/** Once for all tables of a schema. */
function compareSchemas(
  tables: readonly (readonly [string, TableExpectation])[],
  { live, dialect }: Sight,
): SchemaProblem[] {
  const closed = new Map<string, Severity>();
  for (const [key, { severity = "error" }] of tables) {
    const { usable = true, schema = "" } = findTable(parseName(key), live, dialect) ?? {};
    if (!usable && closed.get(schema) !== "error") closed.set(schema, severity);
  }
  return [...closed].map(([subject, severity]) => ({
    subject,
    message: `${live.user} may not use the schema`,
    severity,
    mend: dialect.mend.usage(subject, live.user),
  }));
}

function compareTable(subject: string, expected: TableExpectation, sight: Sight): SchemaProblem[] {
  const { live, dialect } = sight;
  const { severity = "error", indexes = [], privileges = [] } = expected;
  const name = parseName(subject);
  const found = findTable(name, live, dialect);
  const columns = entriesOf(expected.columns).map(([column, item]) => ({
    name: column,
    severity,
    ...(typeof item === "string" ? { type: item } : item),
  }));
  if (!found) {
    const message = live.hidesTables
      ? `the table does not exist, or ${live.user} may do nothing with it`
      : "the table does not exist";
    return [{ subject, message, severity, mend: dialect.mend.table(name, columns) }];
  }
  const at: LiveAt = { name, live: found };
  return [
    ...columns.flatMap((column) => compareColumn(`${subject}.${column.name}`, column, at, dialect)),
    ...indexes.flatMap((item) => compareIndex(subject, spell(item, severity), at, dialect)),
    ...privileges
      .map((item) => spell(item, severity))
      .filter((item) => found.privileges && !found.privileges.includes(item.name))
      .map((item) => ({
        subject,
        message: `${live.user} may not ${item.name}`,
        severity: item.severity,
        mend: dialect.mend.grant(at, item.name, live.user),
      })),
  ];
}

type ExpectedColumn = ColumnExpectation & { readonly name: string; readonly severity: Severity };

function compareColumn(
  subject: string,
  expected: ExpectedColumn,
  at: LiveAt,
  dialect: SchemaDialect,
): SchemaProblem[] {
  const { type, nullable, severity } = expected;
  const live = at.live.columns.find(({ name }) => dialect.fold(name) === dialect.fold(expected.name));
  if (!live) {
    const mend = dialect.mend.column(at, expected);
    return [{ subject, message: "the column does not exist", severity, mend }];
  }
  const fits = type === undefined || dialect.fits(type, live);
  const target: ColumnTarget = {
    name: live.name,
    type: fits ? live.type : type,
    nullable: nullable ?? live.nullable,
  };
  const problems: SchemaProblem[] = [];
  if (!fits) {
    const message = `the type is ${live.type || "none"}, and ${type} is expected`;
    problems.push({ subject, message, severity, mend: dialect.mend.type(at, live, target) });
  }
  if (nullable !== undefined && nullable !== live.nullable) {
    const message = nullable ? "NULL is refused, and expected" : "NULL is possible, and not expected";
    problems.push({ subject, message, severity, mend: dialect.mend.nullable(at, live, target) });
  }
  return problems;
}

function compareIndex(
  subject: string,
  { name, severity }: Required<NamedItem<string>>,
  at: LiveAt,
  { fold, mend }: SchemaDialect,
): SchemaProblem[] {
  const live = at.live.indexes.find((index) => fold(index.name) === fold(name));
  if (live?.valid) return [];
  return [
    live
      ? {
          subject,
          message: `the index ${name} is not valid: what made it failed, or is still at it`,
          severity,
          mend: mend.invalidIndex(at, live.name),
        }
      : { subject, message: `the index ${name} does not exist`, severity, mend: mend.index(at, name) },
  ];
}

function findTable(name: Name, live: LiveSchema, { fold }: SchemaDialect): LiveTable | undefined {
  const same = live.foldsTables ? fold : (text: string) => text;
  const found = live.tables.filter((it) => same(it.name) === same(name.name) && isThere(it, name));
  return found.find(({ visible }) => visible) ?? found[0];
}

/** A schema that may not be used hides what is in it from a bare name, and yet it is that what was meant. */
function isThere(
  it: { readonly schema: string; readonly visible: boolean; readonly usable?: boolean },
  { schema }: Name,
): boolean {
  return schema === undefined ? it.visible || it.usable === false : it.schema === schema;
}

function spell<Word extends string>(
  item: Word | NamedItem<Word>,
  severity: Severity,
): Required<NamedItem<Word>> {
  return typeof item === "string" ? { name: item, severity } : { severity, ...item };
}

function isList(item: readonly string[] | EnumExpectation): item is readonly string[] {
  return Array.isArray(item);
}

function entriesOf<Value>(record: Readonly<Record<string, Value>> = {}): [string, Value][] {
  return Object.entries(record);
}
