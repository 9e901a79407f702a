import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { SallyportError } from "../../entrypoint/errors.ts";
import { parseName, printName } from "../../entrypoint/schema/names.ts";
import {
  assertSchema,
  expectationsJsonSchema,
  loadExpectations,
  type SchemaProblem,
} from "../../entrypoint/schema/schema.ts";
import { makeFolder } from "../folder.ts";

function fileOf(content: unknown): string {
  const file = join(makeFolder(), "schema.json");
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
}

const told = async (content: unknown): Promise<string[]> => {
  const error: SallyportError = await loadExpectations(fileOf(content)).then(
    () => assert.fail("it was taken"),
    (it) => it,
  );
  assert.equal(error.code, "CONFIG_INVALID");
  return error.problems.map(({ subject, message }) => `${subject} ${message}`);
};

test("every item may be a bare word or an object with a severity", async () => {
  const expectations = {
    $schema: "./node_modules/sallyport/schema.schema.json",
    tables: {
      orders: {
        columns: { id: "bigint", note: { type: "text", nullable: true, severity: "warn" }, any: {} },
        indexes: ["orders_at_idx", { name: "orders_note_idx", severity: "warn" }],
        privileges: ["select", { name: "delete", severity: "warn" }],
        severity: "error",
      },
      'billing."a.b"': {},
    },
    enums: { status: ["new"], "billing.kind": { values: ["a"], severity: "warn" } },
    extensions: ["pgcrypto", { name: "uuid-ossp", severity: "warn" }],
  };
  assert.deepEqual(await loadExpectations(fileOf(`\uFEFF${JSON.stringify(expectations)}`)), expectations);
  assert.deepEqual(await loadExpectations(fileOf({})), {});
});

test("all that is wrong with a file is told at once, with its path and what is allowed there", async () => {
  const problems = await told({
    table: {},
    tables: {
      orders: {
        colums: {},
        columns: { id: 7, note: { type: "text", nulable: true }, at: "" },
        indexes: "orders_at_idx",
        privileges: ["select", "drop", { name: "update", severity: "fatal" }, { nam: "insert" }],
      },
      "a.b.c": {},
    },
    enums: { status: "new" },
    extensions: [1],
  });
  assert.deepEqual(problems, [
    "tables.orders.columns.id must be a text, or an object",
    "tables.orders.columns.note.nulable unknown key; did you mean 'nullable'?",
    "tables.orders.columns.at must be a text that is not empty",
    "tables.orders.indexes must be a list",
    "tables.orders.privileges[1] must be one of select, insert, update, delete, or an object",
    "tables.orders.privileges[2].severity must be one of error, warn",
    "tables.orders.privileges[3].name must be one of select, insert, update, delete",
    "tables.orders.privileges[3].nam unknown key; did you mean 'name'?",
    "tables.orders.colums unknown key; did you mean 'columns'?",
    'tables["a.b.c"] a name here has only one dot at most, as in billing.orders; a part with others stands in double quotes',
    "enums.status must be a list, or an object",
    "extensions[0] must be a text, or an object",
    "table unknown key; did you mean 'tables'?",
  ]);
});

test("a file that is no JSON, or is not there, is a fault of the config", async () => {
  const codes = await Promise.all(
    [fileOf("{ // no\n}"), join(makeFolder(), "none.json")].map((file) =>
      loadExpectations(file).then(
        () => [],
        ({ code, hint }) => [code, hint],
      ),
    ),
  );
  const hint = "What the app expects of its database is plain JSON without comments.";
  assert.deepEqual(codes, [
    ["CONFIG_INVALID", hint],
    ["CONFIG_INVALID", hint],
  ]);
});

test("editors are told the same: bare words, objects, and no other keys", () => {
  const schema = JSON.parse(JSON.stringify(expectationsJsonSchema()));
  assert.deepEqual(Object.keys(schema.properties), ["$schema", "tables", "enums", "extensions"]);
  assert.equal(schema.additionalProperties, false);
  const table = schema.properties.tables.additionalProperties;
  assert.deepEqual(table.properties.privileges.items.anyOf[0].enum, ["select", "insert", "update", "delete"]);
  assert.deepEqual(table.required ?? [], []);
  new RegExp(schema.properties.tables.propertyNames.pattern, "u");
});

test("a name that holds a dot or begins with a quote is written in quotes, and any other as it is", () => {
  const names: [string, string | undefined, string][] = [
    ["orders", undefined, "orders"],
    ["billing.orders", "billing", "orders"],
    ['billing."a.b"', "billing", "a.b"],
    ['"a.b"', undefined, "a.b"],
    ['"""quoted"""', undefined, '"quoted"'],
    ['we"ird', undefined, 'we"ird'],
    ["Größe 大 'x'", undefined, "Größe 大 'x'"],
  ];
  for (const [text, schema, name] of names) {
    assert.deepEqual(parseName(text), { schema, name });
    assert.equal(printName({ schema, name }), text);
  }
});

test("errors are thrown together with what mends them, and warnings alone are given back", () => {
  const problem = (subject: string, severity: "error" | "warn"): SchemaProblem => ({
    subject,
    message: "the table does not exist",
    severity,
    mend: `CREATE TABLE "${subject}" (…)`,
  });
  assert.deepEqual(assertSchema([]), []);
  assert.deepEqual(assertSchema([problem("a", "warn")]), [problem("a", "warn")]);
  assert.throws(
    () => assertSchema([problem("a", "error"), problem("b", "warn"), problem("c", "error")]),
    (error: SallyportError) => {
      assert.equal(error.code, "SCHEMA_INVALID");
      assert.equal(error.exitCode, 80);
      assert.equal(error.message, "the database is not what the app expects: 2 differences");
      assert.deepEqual(error.problems, [
        { subject: "a", message: 'the table does not exist: CREATE TABLE "a" (…)' },
        { subject: "c", message: 'the table does not exist: CREATE TABLE "c" (…)' },
      ]);
      return true;
    },
  );
});
