import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { loadBootstrap } from "../../entrypoint/bootstrap/bootstrap.ts";
import { SallyportError } from "../../entrypoint/errors.ts";
import { makeFolder } from "../folder.ts";

interface Given {
  readonly mounted?: Record<string, string>;
  readonly env?: Record<string, string>;
}

async function load(names: string[], { mounted = {}, env = {} }: Given) {
  const directory = makeFolder();
  for (const [name, text] of Object.entries(mounted)) await writeFile(join(directory, name), text);
  const lines: string[] = [];
  const log = (_level: string, event: string, message: string) => void lines.push(`${event} ${message}`);
  const found = await loadBootstrap(names, { env, log, directory });
  return {
    lines,
    directory,
    values: Object.fromEntries([...found].map(([name, secret]) => [name, secret.reveal()])),
  };
}

async function refused(names: string[], given: Given): Promise<SallyportError> {
  return load(names, given).then(
    () => assert.fail("nothing was refused"),
    (error) => {
      assert.ok(error instanceof SallyportError);
      return error;
    },
  );
}

test("the file that NAME_FILE names wins over the mounted one, and that over the variable", async () => {
  const file = join(makeFolder(), "x");
  await writeFile(file, "named\n");
  const mounted = { infisical_url: "mounted\n" };
  const env = { INFISICAL_URL: "variable" };
  assert.equal(
    (await load(["INFISICAL_URL"], { mounted, env: { ...env, INFISICAL_URL_FILE: file } })).values
      .INFISICAL_URL,
    "named",
  );
  const { values, lines } = await load(["INFISICAL_URL"], { mounted, env });
  assert.equal(values.INFISICAL_URL, "mounted");
  assert.deepEqual(lines, []);
});

test("a variable works, with a warning that names it and not its value", async () => {
  const { values, lines } = await load(["INFISICAL_URL"], { env: { INFISICAL_URL: "canary" } });
  assert.equal(values.INFISICAL_URL, "canary");
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /bootstrap\.exposed INFISICAL_URL comes from a variable/);
  assert.ok(!lines[0]?.includes("canary"));
});

test("trailing newlines are dropped, CRLF too, and a byte order mark", async () => {
  const { values } = await load(["A", "B", "C"], { mounted: { a: "x\r\n", b: "x\n\n", c: "\uFEFFx" } });
  assert.deepEqual(values, { A: "x", B: "x", C: "x" });
});

test("everything that is missing or unusable is reported together", async () => {
  const given = { mounted: { a: "", b: "one\r\ntwo" }, env: { C_FILE: "/nowhere/c" } };
  const error = await refused(["A", "B", "C", "D"], given);
  assert.equal(error.code, "BOOTSTRAP_INVALID");
  const lines = error.problems.map(({ subject, message }) => `${subject} ${message}`);
  assert.match(lines[0] ?? "", /^A .*\/a is empty/);
  assert.match(lines[1] ?? "", /^B .*\/b has more than one line/);
  assert.match(lines[2] ?? "", /^C C_FILE names \/nowhere\/c, which does not exist/);
  assert.match(lines[3] ?? "", /^D no file .*\/d, no D_FILE, no variable/);
});

test("a pipe is refused instead of waited for", async () => {
  const pipe = join(makeFolder(), "pipe");
  execFileSync("mkfifo", [pipe]);
  const error = await refused(["A"], { env: { A_FILE: pipe } });
  assert.match(error.problems[0]?.message ?? "", /ENOTFILE/);
});

test("a file that can't be read says which uid tried to read which path", async (t) => {
  if (process.geteuid?.() !== 0 || !process.seteuid)
    return t.skip("only root can make a file that this test may not read");
  const file = join(makeFolder(), "x");
  await writeFile(file, "canary");
  await chmod(file, 0o600);
  process.seteuid(65_534);
  try {
    // The folder itself is root's and closed, so the file is out of reach either way.
    const error = await refused(["A"], { env: { A_FILE: file } });
    assert.match(error.problems[0]?.message ?? "", new RegExp(`${file}, which can't be read by uid \\d+`));
  } finally {
    process.seteuid(0);
  }
});
