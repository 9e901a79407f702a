import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parseFile, readFolder } from "../../entrypoint/migrate/folder.ts";
import { makeFolder } from "../folder.ts";

function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = makeFolder();
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

const statements = (text: string) =>
  (parseFile("1.sql", text, "/").content as { statements: string[] }).statements;

test("files come in the order of their names, numbers as numbers, and repeatable ones last", async () => {
  const files = ["10_b.sql", "9_a.sql", "R__views.sql", "20260101_c.sql", "11_d.mjs"];
  const { migrations, problems } = await readFolder(
    folderOf(Object.fromEntries(files.map((name) => [name, "select 1;"]))),
  );
  assert.deepEqual(
    migrations.map(({ id }) => id),
    ["9_a.sql", "10_b.sql", "11_d.mjs", "20260101_c.sql", "R__views.sql"],
  );
  assert.deepEqual(problems, []);
});

test("what is not a migration is left alone: folders, ways back, declarations, notes", async () => {
  const folder = folderOf({
    "1_a.up.sql": "select 1",
    "1_a.down.sql": "x",
    "README.md": "x",
    "2_b.ts": "export {}",
    "2_b.d.ts": "",
  });
  mkdirSync(join(folder, "meta"));
  assert.deepEqual(
    (await readFolder(folder)).migrations.map(({ id }) => id),
    ["1_a.up.sql", "2_b.ts"],
  );
});

test("two files with one number are a problem, and so is a file without a statement", async () => {
  const { problems } = await readFolder(
    folderOf({ "001_a.sql": "select 1", "001_b.sql": "select 2", "002_c.sql": "-- nothing\n/* here */" }),
  );
  assert.deepEqual(
    problems.map(({ subject, message }) => `${subject} ${message}`),
    ["001_a.sql has the number of 001_b.sql; give each its own", "002_c.sql has no statement"],
  );
});

test("the checksum does not see line ends or a byte order mark, and sees everything else", () => {
  const sum = (text: string) => parseFile("1.sql", text, "/").checksum;
  assert.equal(sum("a\r\nb\n"), sum("\uFEFFa\nb\n"));
  assert.notEqual(sum("a\nb\n"), sum("a\nb \n"));
});

describe("headers of other tools", () => {
  test("goose: only what stands under Up", () => {
    const text = "-- +goose Up\ncreate table a();\n-- +goose Down\ndrop table a;";
    assert.deepEqual(statements(text), ["create table a();"]);
    assert.equal(parseFile("1.sql", `-- +goose NO TRANSACTION\n${text}`, "/").transaction, false);
  });

  test("dbmate: up, down, and transaction:false", () => {
    const text =
      "-- migrate:up transaction:false\ncreate index concurrently i on t(x);\n\n-- migrate:down\ndrop index i;";
    assert.deepEqual(statements(text), ["create index concurrently i on t(x);"]);
    assert.equal(parseFile("1.sql", text, "/").transaction, false);
    assert.equal(parseFile("1.sql", text.replace(" transaction:false", ""), "/").transaction, true);
  });

  test("Drizzle: breakpoints part statements", () => {
    assert.deepEqual(
      statements("create table a();--> statement-breakpoint\ncreate table b();\n--> statement-breakpoint\n"),
      ["create table a();", "create table b();"],
    );
  });
});

describe("directives", () => {
  test("no-transaction and idempotent are comments at the start of a line", () => {
    const file = parseFile("1.sql", "-- migrate:no-transaction\n-- migrate:idempotent\nvacuum;", "/");
    assert.deepEqual([file.transaction, file.idempotent], [false, true]);
    const quoted = parseFile("1.sql", "insert into t values ('-- migrate:no-transaction');", "/");
    assert.deepEqual([quoted.transaction, quoted.idempotent], [true, false]);
    assert.equal(parseFile("1.mjs", "// migrate:no-transaction\n", "/").transaction, false);
  });

  test("several statements outside a transaction must be parted, however they are quoted", async () => {
    const one =
      "-- migrate:no-transaction\ncreate function f() returns int as $x$ begin; return 1; end; $x$ language plpgsql; -- end;";
    const two = "-- migrate:no-transaction\nselect ';';\nselect 2;";
    const { problems } = await readFolder(folderOf({ "1.sql": one, "2.sql": two }));
    assert.deepEqual(
      problems.map(({ subject }) => subject),
      ["2.sql"],
    );
  });

  test("a transaction of its own is refused, but not the BEGIN of a function's body", async () => {
    const files = {
      "1.sql": "BEGIN;\ncreate table a();\nCOMMIT;",
      "2.sql": "create function f() returns int as $$ begin return 1; end; $$ language plpgsql;",
      "3.sql": "start transaction; select 1; rollback;",
    };
    const { problems } = await readFolder(folderOf(files));
    assert.deepEqual(
      problems.map(({ subject }) => subject),
      ["1.sql", "3.sql"],
    );
  });
});
