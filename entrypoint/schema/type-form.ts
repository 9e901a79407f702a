/** Types taken apart, so that two spellings of one type are equal and a roomier one will do. */

export interface TypeForm {
  /** Without what stands in parentheses: `timestamp with time zone`. */
  readonly name: string;
  /** What stood in parentheses. */
  readonly args: readonly string[];
  /** `[]` for any number of dimensions, as PostgreSQL has it. */
  readonly array: boolean;
}

const QUOTED = `'(?:[^']|'')*'|"(?:[^"]|"")*"`;
const FORM = new RegExp(
  `^((?:${QUOTED}|[^('"[])+)(?:\\(((?:${QUOTED}|[^)'"])*)\\))?([^[]*?)((?:\\[\\d*\\])*)$`,
);

/** @param aliases other names of a type to its first one */
export function parseType(text: string, aliases: Readonly<Record<string, string>>): TypeForm {
  const plain = text
    .trim()
    .replace(new RegExp(`${QUOTED}|[^'"]+`, "g"), (part) =>
      /^['"]/.test(part) ? part : part.toLowerCase().replace(/\s+/g, " "),
    )
    .replace(/ array$/, "[]");
  const [, head = plain, inside, tail = "", array = ""] = FORM.exec(plain) ?? [];
  const args = (inside?.match(new RegExp(`${QUOTED}|[^,]+`, "g")) ?? []).map((arg) => arg.trim());
  const name = `${head.trim()} ${tail.trim()}`.trim();
  return { name: aliases[name] ?? name, args, array: array !== "" };
}

const WIDENING = ["character varying", "bit varying", "varchar", "varbinary"];
const DECIMALS = ["numeric", "decimal"];
const LISTS = ["enum", "set"];

/** True where an app that knows `expected` reads and writes `actual` without noticing. */
export function fitsType(expected: TypeForm, actual: TypeForm): boolean {
  if (expected.name !== actual.name || expected.array !== actual.array) return false;
  if (expected.args.length === 0) return true;
  if (LISTS.includes(actual.name)) return expected.args.every((value) => actual.args.includes(value));
  if (WIDENING.includes(actual.name)) {
    return actual.args.length === 0 || Number(actual.args[0]) >= Number(expected.args[0]);
  }
  if (DECIMALS.includes(actual.name)) {
    const [precision, scale] = actual.args;
    return Number(precision) >= Number(expected.args[0]) && (scale ?? "0") === (expected.args[1] ?? "0");
  }
  return actual.args.join() === expected.args.join();
}
