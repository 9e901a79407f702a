/** Ground floor: says in our words, with path and what is allowed there, what a schema found wrong in a file. */
import type * as z from "zod/mini";
import type { Problem } from "./errors.ts";
import { suggestion } from "./suggestion.ts";

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/** All problems of the input, in the order of the file. */
export function findProblems(schema: z.ZodMiniType, input: unknown): Problem[] {
  const hidden = protoPaths(input, []).map((path) => ({
    subject: printPath(path),
    message: "this name is taken by JavaScript",
  }));
  const result = schema.safeParse(input);
  if (result.success || hidden.length > 0) return hidden;
  const at = (path: Path, message: string): Problem => ({ subject: printPath(path), message });

  const describe = (issue: Issue, path: Path): Problem[] => {
    switch (issue.code) {
      case "unrecognized_keys":
        return issue.keys.map((key) =>
          at([...path, key], `unknown key${suggestion(key, allowedKeys(schema, input, path))}`),
        );
      case "invalid_union":
        return describeUnion(issue, path);
      case "invalid_key":
        return [at(path, `a name here has only ${issue.issues[0]?.message}`)];
      default: {
        const isMissing = issue.code === "invalid_type" && lookUp(input, path) === undefined;
        return [at(path, `${isMissing ? "is required:" : "must be"} ${describeAllowed(issue)}`)];
      }
    }
  };

  /** Reports the alternative that the author meant, which is the one whose outer shape fits. */
  const describeUnion = (issue: z.core.$ZodIssueInvalidUnion, path: Path): Problem[] => {
    const meant = issue.errors.find((branch) => branch.length > 0 && !branch.some(isOuterMismatch));
    if (meant) return meant.flatMap((inner) => describe(inner, [...path, ...inner.path]));
    const { options } = issue as { options?: readonly unknown[] };
    const allowed = options
      ? `one of ${options.join(", ")}`
      : issue.errors.flatMap((branch) => branch.slice(0, 1).map(describeAllowed)).join(", or ");
    return [at(path, `${lookUp(input, path) === undefined ? "is required:" : "must be"} ${allowed}`)];
  };

  return result.error.issues.flatMap((issue) => describe(issue, issue.path));
}

function isOuterMismatch(issue: Issue): boolean {
  return issue.path.length === 0 && ["invalid_type", "invalid_value", "custom"].includes(issue.code ?? "");
}

const PLAIN_NAMES: Readonly<Record<string, string>> = {
  string: "a text",
  record: "an object",
  object: "an object",
  array: "a list",
  boolean: "true or false",
};

function describeAllowed(issue: Issue): string {
  if (issue.code === "invalid_type") return PLAIN_NAMES[issue.expected] ?? issue.expected;
  if (issue.code === "invalid_value") return `one of ${issue.values.map(String).join(", ")}`;
  return issue.message;
}

/** The keys that the schema has at a path, following the alternative that the input took. */
function allowedKeys(schema: z.ZodMiniType, input: unknown, path: Path): string[] {
  let options = alternatives(schema);
  for (const [depth, key] of path.entries()) {
    const inner = options.map((def) =>
      "shape" in def
        ? def.shape[key]
        : "valueType" in def
          ? def.valueType
          : "element" in def
            ? def.element
            : undefined,
    );
    options = inner.flatMap((next) => (next ? alternatives(next) : []));
    const value = lookUp(input, path.slice(0, depth + 1)) as { provider?: unknown } | undefined;
    options = options.filter((def) => {
      const literal = "shape" in def ? def.shape.provider?._zod.values : undefined;
      return !literal || literal.has(value?.provider as string);
    });
  }
  return options.flatMap((def) => ("shape" in def ? Object.keys(def.shape) : []));
}

type Definition =
  | { shape: Record<PropertyKey, z.core.$ZodType | undefined> }
  | { valueType: z.core.$ZodType }
  | { element: z.core.$ZodType }
  | object;

function alternatives(schema: z.core.$ZodType): Definition[] {
  const def = schema._zod.def as { innerType?: z.core.$ZodType; options?: z.core.$ZodType[] };
  if (def.innerType) return alternatives(def.innerType);
  if (def.options) return def.options.flatMap(alternatives);
  return [def];
}

/** Schemas, and most code, look past a key of this name. */
function protoPaths(value: unknown, path: Path): Path[] {
  if (typeof value !== "object" || value === null || path.length > 8) return [];
  return Object.keys(value).flatMap((key) =>
    key === "__proto__"
      ? [[...path, key]]
      : protoPaths((value as Record<string, unknown>)[key], [...path, key]),
  );
}

function lookUp(input: unknown, path: Path): unknown {
  return path.reduce(
    (value, key) => (value as Record<PropertyKey, unknown> | undefined | null)?.[key],
    input,
  );
}

/** `settings.PORT.type`, `secrets["my env"].prefix`, `stages[1]`. */
function printPath(path: Path): string {
  if (path.length === 0) return "(the whole file)";
  return path
    .map((key, index) => {
      const word = String(key);
      if (typeof key === "number") return `[${word}]`;
      if (!/^[\w$-]+$/.test(word)) return `[${JSON.stringify(word)}]`;
      return index === 0 ? word : `.${word}`;
    })
    .join("");
}
