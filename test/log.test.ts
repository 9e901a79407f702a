import assert from "node:assert/strict";
import { test } from "node:test";
import { createLog } from "../entrypoint/log.ts";

function logOf(target: { terminal: boolean; color?: boolean; mask?: (line: string) => string }) {
  const lines: string[] = [];
  const now = () => new Date("2026-01-02T03:04:05.678Z");
  const log = createLog({
    write: (line) => void lines.push(line),
    mask: (line) => line,
    color: false,
    now,
    ...target,
  });
  return { log, lines };
}

test("a line is one JSON object, stack and all", () => {
  const { log, lines } = logOf({ terminal: false });
  log("error", "error.thrown", "two\nlines", { stack: "a\n  at b", ms: 3, phases: { fetch: 1 } });
  assert.equal(lines.length, 1);
  assert.equal(lines[0]?.indexOf("\n"), (lines[0]?.length ?? 0) - 1);
  assert.deepEqual(JSON.parse(lines[0] ?? ""), {
    time: "2026-01-02T03:04:05.678Z",
    level: "error",
    event: "error.thrown",
    message: "two\nlines",
    stack: "a\n  at b",
    ms: 3,
    phases: { fetch: 1 },
  });
});

test("a terminal gets a checklist, with problems indented below", () => {
  const { log, lines } = logOf({ terminal: true });
  log("info", "phase.completed", "3 secrets in 1 request", { phase: "fetch", ms: 31 });
  log("info", "secret.fetched", "shop/database", { name: "shop/database" });
  log("error", "problem.missing", "missing: no secret", { subject: "DATABASE_URL" });
  assert.deepEqual(lines, [
    "✔ fetch        31 ms 3 secrets in 1 request\n",
    "  ✖ DATABASE_URL         missing: no secret\n",
  ]);
});

test("color is asked for, not assumed", () => {
  const plain = logOf({ terminal: true });
  plain.log("warn", "a.b", "text");
  const colored = logOf({ terminal: true, color: true });
  colored.log("warn", "a.b", "text");
  assert.ok(!plain.lines[0]?.includes("\u001b"));
  assert.ok(colored.lines[0]?.includes("\u001b[33m"));
});

test("what JSON writes in another way is hidden as it is, however deep it lies", () => {
  const { log, lines } = logOf({ terminal: false, mask: (text) => text.replaceAll('a"\u0001b', "[KEY]") });
  log("info", "a.b", "clean", { list: ["x", 'with a"\u0001b in it'] });
  assert.deepEqual(JSON.parse(lines[0] ?? "").list, ["x", "with [KEY] in it"]);
});

test("a value that looks like a number or a key of the line does not break it", () => {
  const { log, lines } = logOf({
    terminal: false,
    mask: (text) => text.replaceAll("100000", "[MAX]").replaceAll("message", "[WORD]"),
  });
  log("info", "a.b", "the message", { bytes: 100_000, message: "x", nested: { ms: 5 } });
  const { time: _, ...line } = JSON.parse(lines[0] ?? "");
  assert.deepEqual(line, {
    level: "info",
    event: "a.b",
    message: "the [WORD]",
    bytes: "[MAX]",
    nested: { ms: 5 },
  });
});

test("control characters in a name can't write a line of their own on a terminal", () => {
  const { log, lines } = logOf({ terminal: true });
  log("error", "a.b", "no key \u001b[2J\r✔ ready", { subject: "X\u0000" });
  for (const code of ["\u0000", "\u001b", "\r"]) assert.ok(!lines.join("").includes(code));
});

test("the mask sees message and fields, in either form", () => {
  for (const terminal of [true, false]) {
    const { log, lines } = logOf({ terminal, mask: (line) => line.replaceAll("canary", "[X]") });
    log("info", "a.b", "canary", { stack: "canary" });
    assert.ok(!lines.join("").includes("canary"));
  }
});
