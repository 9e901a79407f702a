import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { jsonSchema } from "../../entrypoint/config/schema.ts";
import { expectationsJsonSchema } from "../../entrypoint/schema/schema.ts";

test("expect.schema.json is what the schema says today", async () => {
  const published = await readFile(new URL("../../expect.schema.json", import.meta.url), "utf8");
  assert.deepEqual(JSON.parse(published), JSON.parse(JSON.stringify(expectationsJsonSchema())));
});

test("config.schema.json is what the schema says today", async () => {
  const published = await readFile(new URL("../../config.schema.json", import.meta.url), "utf8");
  assert.deepEqual(JSON.parse(published), JSON.parse(JSON.stringify(jsonSchema())));
});
