import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress } from "../../entrypoint/config/address.ts";

test("the part before the last slash is the folder", () => {
  assert.deepEqual(parseAddress("a/b/c"), {
    ref: { kind: "address", text: "a/b/c", folder: "a/b", name: "c", stage: "current" },
  });
  assert.deepEqual(parseAddress("c"), {
    ref: { kind: "address", text: "c", folder: "", name: "c", stage: "current" },
  });
});

test("the ECS form keeps its colons and may leave each field out", () => {
  const arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-AbCdEf";
  const stage = "current";
  assert.deepEqual(parseAddress(arn), { ref: { kind: "secret", id: arn, text: arn, stage } });
  assert.deepEqual(parseAddress(`${arn}:url::`), {
    ref: { kind: "secret", id: arn, text: `${arn}:url::`, stage, key: "url" },
  });
  const pinned = `${arn}::AWSPREVIOUS:`;
  assert.deepEqual(parseAddress(pinned), {
    ref: { kind: "secret", id: arn, text: pinned, stage: "AWSPREVIOUS" },
  });
  const version = `${arn}:url::v-1`;
  assert.deepEqual(parseAddress(version), {
    ref: { kind: "secret", id: arn, text: version, stage, key: "url", version: "v-1" },
  });
});

test("an object names its parts, and its text tells them apart", () => {
  assert.deepEqual(parseAddress({ id: "tls", key: "cert", stage: "previous" }), {
    ref: { kind: "secret", id: "tls", key: "cert", stage: "previous", text: "tls#cert@previous" },
  });
});

test("a stage of a ring becomes part of the ref", () => {
  const located = parseAddress("auth/key", "previous");
  assert.ok("ref" in located);
  assert.equal(located.ref.stage, "previous");
  assert.equal(located.ref.text, "auth/key@previous");
});
