/** The types of MySQL and MariaDB, which have many names and widths that mean nothing. */
import { fitsType, parseType, type TypeForm } from "./type-form.ts";

/** https://dev.mysql.com/doc/refman/8.4/en/other-vendor-data-types.html */
const ALIASES: Readonly<Record<string, string>> = {
  integer: "int",
  int4: "int",
  int1: "tinyint",
  int2: "smallint",
  int3: "mediumint",
  middleint: "mediumint",
  int8: "bigint",
  bool: "tinyint",
  boolean: "tinyint",
  dec: "decimal",
  numeric: "decimal",
  fixed: "decimal",
  "double precision": "double",
  real: "double",
  float8: "double",
  float4: "float",
  character: "char",
  "character varying": "varchar",
  serial: "bigint unsigned",
};

const WIDTHS = ["tinyint", "smallint", "mediumint", "int", "bigint", "year"];

function parse(text: string): TypeForm {
  const form = parseType(text, ALIASES);
  const [, base = "", rest = ""] = /^([^ ]+(?: precision| varying)?)(.*)$/.exec(form.name) ?? [];
  const name = (ALIASES[base] ?? base) + rest.replace(" zerofill", "");
  const isWidth = WIDTHS.includes(name.replace(" unsigned", ""));
  return { ...form, name, args: isWidth ? [] : form.args };
}

export function fitsMysql(expected: string, actual: string): boolean {
  return fitsType(parse(expected), parse(actual));
}

/** What is expected, without losing the words of a list that has more. */
export function mergeLists(expected: string, actual: string): string {
  const [wanted, there] = [parse(expected), parse(actual)];
  if (wanted.name !== there.name || !["enum", "set"].includes(wanted.name)) return expected;
  // At the end, since every word is stored as its place in the list.
  return `${wanted.name}(${[...new Set([...there.args, ...wanted.args])].join(",")})`;
}
