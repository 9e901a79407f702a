import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, rename, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { readRegularFile } from "../../entrypoint/regular-file.ts";
import { makeFolder } from "../folder.ts";
import { type Asked, ask } from "./ask.ts";

async function folder(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const root = makeFolder();
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), content);
  }
  return root;
}

function askFiles(directory: string, asked: Asked) {
  return ask({ provider: "files", directory }, asked);
}

test("a file of its own and a key in folder.json are the same address", async () => {
  const root = await folder({ "database/url": "postgres://x\n", "app.json": '{"port":8080}' });
  assert.deepEqual((await askFiles(root, ["database/url", "app/port"])).values, {
    "database/url": "postgres://x",
    "app/port": 8080,
  });
});

test("an address that both answer is a question, not a guess", async () => {
  const root = await folder({ "app/port": "1", "app.json": '{"port":2}' });
  assert.match((await askFiles(root, ["app/port"])).problems[0]?.message ?? "", /which one counts/);
});

test("Docker secrets lie flat", async () => {
  const root = await folder({ database_url: "postgres://x" });
  assert.deepEqual((await askFiles(root, ["database_url"])).values, { database_url: "postgres://x" });
});

test("byte order mark and trailing newlines are dropped from text, CRLF too, and kept for bytes", async () => {
  const root = await folder({ a: "\uFEFFvalue\r\n\r\n", b: "two\r\nlines\n" });
  const { values, secrets } = await askFiles(root, ["a", "b"]);
  assert.deepEqual(values, { a: "value", b: "two\r\nlines" });
  assert.equal(Buffer.from(secrets[0]?.revealBytes() ?? []).toString(), "\uFEFFvalue\r\n\r\n");
});

test("a mounted Kubernetes secret is read from one generation, though it is swapped meanwhile", async () => {
  const root = await folder({
    "..1/user": "old",
    "..1/password": "old",
    "..2/user": "new",
    "..2/password": "new",
  });
  await symlink("..1", join(root, "..data"));
  for (const key of ["user", "password"]) await symlink(`..data/${key}`, join(root, key));
  assert.deepEqual((await askFiles(root, ["user", "password"])).values, { user: "old", password: "old" });
  await symlink("..2", join(root, "..next"));
  await rename(join(root, "..next"), join(root, "..data"));
  assert.deepEqual((await askFiles(root, ["user", "password"])).values, { user: "new", password: "new" });
});

test("the previous stage is the file beside it", async () => {
  const root = await folder({ "auth/key": "new", "auth/key.previous": "old" });
  const { values } = await askFiles(root, ["auth/key", { id: "auth/key", stage: "previous" }]);
  assert.deepEqual(Object.values(values), ["new", "old"]);
});

test("a pipe, a socket, a folder and a file of over 1 MiB are refused instead of read", async () => {
  const root = await folder({ "folder/x": "1", large: Buffer.alloc(1024 * 1024 + 1) });
  execFileSync("mkfifo", [join(root, "pipe")]);
  const server = createServer().listen(join(root, "socket"));
  await once(server, "listening");
  const { problems } = await askFiles(root, ["pipe", "socket", "folder", "large"]);
  server.close();
  assert.deepEqual(
    problems.map(({ message }) => message.replace(/^.*\/\w+ /, "")),
    ["is not a regular file", "is not a regular file", "is not a regular file", "is larger than 1 MiB"],
  );
});

test("a file that does not say how long it is is read to its end", {
  skip: process.platform !== "linux",
}, async () => {
  const { values } = await askFiles("/proc", ["version", "self/mounts"]);
  assert.equal(values.version, (await readFile("/proc/version", "utf8")).trim());
  assert.equal(values["self/mounts"], (await readFile("/proc/self/mounts", "utf8")).trim());
});

test("a secret's bytes are in no memory that they share with others", {
  skip: process.platform !== "linux",
}, async () => {
  for (const path of [join(await folder({ key: "abc" }), "key"), "/proc/version"]) {
    const { bytes } = await readRegularFile(path, 10_000);
    assert.equal(bytes.buffer.byteLength, bytes.length);
  }
});

test("a document is read once, and a thousand files not all at once", async () => {
  const keys = Array.from({ length: 1000 }, (_, index) => `key${index}`);
  const files = { "app.json": JSON.stringify(Object.fromEntries(keys.map((key) => [key, key]))) };
  const { values, reads } = await askFiles(
    await folder(files),
    keys.map((key) => `app/${key}`),
  );
  assert.equal(Object.keys(values).length, 1000);
  assert.equal(reads.length, 1);
});

test("a document that is not JSON is said to be that", async () => {
  const root = await folder({ "app.json": "canary" });
  const { problems } = await askFiles(root, ["app/port"]);
  assert.deepEqual(problems, [{ kind: "invalid", message: "app.json is not JSON, so it has no key 'port'" }]);
});
