import assert from "node:assert/strict";
import { test } from "node:test";
import { parseFile } from "../../entrypoint/migrate/folder.ts";
import type { MigrationRecord } from "../../entrypoint/migrate/migration.ts";
import { planMigrations } from "../../entrypoint/migrate/plan.ts";

const file = (id: string, text = `select '${id}';`) => parseFile(id, text, "/");
const done = (id: string, text?: string): MigrationRecord => ({
  id,
  checksum: file(id, text).checksum,
  startedAt: "2026-01-01T00:00:00.000Z",
  finishedAt: "2026-01-01T00:00:01.000Z",
});
const begun = (id: string): MigrationRecord => ({ ...done(id), finishedAt: undefined });

function plan(
  ids: readonly (string | [string, string])[],
  records: readonly MigrationRecord[],
  allowOutOfOrder = false,
) {
  const migrations = ids.map((it) => (typeof it === "string" ? file(it) : file(...it)));
  const { pending, problems, newer } = planMigrations({ migrations, problems: [] }, records, {
    allowOutOfOrder,
  });
  return {
    pending: pending.map(({ id }) => id),
    problems: problems.map(({ subject, message }) => `${subject} ${message}`),
    newer,
  };
}

test("what has no record is pending, in order", () => {
  assert.deepEqual(plan(["1.sql", "2.sql", "10.sql"], [done("1.sql")]), {
    pending: ["2.sql", "10.sql"],
    problems: [],
    newer: [],
  });
});

test("everything that speaks against it is found at once", () => {
  const records = [
    done("1.sql", "select 'before';"),
    done("2.sql"),
    begun("4.sql"),
    done("5.sql"),
    done("9.sql"),
  ];
  const { problems, newer } = plan(["1.sql", "3.sql", "4.sql", "5.sql", "6.sql"], records);
  assert.deepEqual(newer, ["9.sql"]);
  assert.match(problems[0] ?? "", /^2\.sql was applied, but its file is gone/);
  assert.match(problems[1] ?? "", /^1\.sql was edited after it was applied/);
  assert.match(problems[2] ?? "", /^3\.sql sorts before 9\.sql/);
  assert.match(problems[3] ?? "", /^4\.sql was begun at 2026-01-01T00:00:00.000Z and cut off/);
  assert.equal(problems.length, 5); // 6.sql sorts before 9.sql, too
});

test("out of order may be allowed", () => {
  assert.deepEqual(plan(["1.sql", "2.sql", "3.sql"], [done("1.sql"), done("3.sql")], true), {
    pending: ["2.sql"],
    problems: [],
    newer: [],
  });
});

test("a repeatable file is pending whenever it has changed, and its order does not matter", () => {
  assert.deepEqual(plan(["1.sql", "R__a.sql"], [done("1.sql"), done("R__a.sql")]).pending, []);
  assert.deepEqual(plan(["1.sql", ["R__a.sql", "select 'new'"]], [done("1.sql"), done("R__a.sql")]).pending, [
    "R__a.sql",
  ]);
  assert.deepEqual(plan(["1.sql"], [done("1.sql"), done("R__gone.sql")]).problems, []);
});

test("an idempotent file that was cut off is simply pending again", () => {
  const text = "-- migrate:idempotent\nselect 1";
  assert.deepEqual(plan([["1.sql", text]], [{ ...done("1.sql", text), finishedAt: undefined }]), {
    pending: ["1.sql"],
    problems: [],
    newer: [],
  });
});
