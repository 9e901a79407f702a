import assert from "node:assert/strict";
import { test } from "node:test";
import { checksumOf, isChecksumOf } from "../../entrypoint/migrators/prisma-folder.ts";

test("a checksum is that of Prisma's engine, in either kind of line end and in the form of old engines", () => {
  const hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
  assert.equal(checksumOf("hello"), hello);
  assert.ok(isChecksumOf("hello", "2cf24dba5fb0a3e26e83b2ac5b9e29e1b161e5c1fa7425e7343362938b9824"));
  assert.ok(!isChecksumOf("hello!", hello));
  assert.ok(isChecksumOf("a\r\nb", checksumOf("a\nb")));
  assert.ok(isChecksumOf("a\nb", checksumOf("a\r\nb")));
  assert.ok(!isChecksumOf("a\nb\n", checksumOf("a\nb")));
});
