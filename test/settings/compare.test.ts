/** What a refresh brings. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compareSettings } from "../../entrypoint/settings/compare.ts";
import type { SettingValue } from "../../entrypoint/settings/settings.ts";

const EARLIER = "2026-01-01T00:00:00.000Z";
const NOW = "2026-02-01T00:00:00.000Z";

function held(value: unknown, version = "1", since = EARLIER): SettingValue {
  const text = value === undefined ? undefined : String(value);
  return { value, text, origins: [{ source: "s", version, expiresAt: undefined }], since };
}

const now = (value: unknown, version = "2") => held(value, version, NOW);

test("what differs is named: another value, one that came, one that went", () => {
  const before = new Map([
    ["SAME", held("a")],
    ["OTHER", held("a")],
    ["CAME", held(undefined)],
    ["WENT", held("a")],
  ]);
  const after = new Map([
    ["SAME", now("a")],
    ["OTHER", now("b")],
    ["CAME", now("a")],
    ["WENT", now(undefined)],
  ]);
  assert.deepEqual(compareSettings(before, after).changed, ["OTHER", "CAME", "WENT"]);
});

test("a value that stays the same keeps its age and its identity, and tells its new version", () => {
  const json = { deep: [1] };
  const { changed, values } = compareSettings(
    new Map([["A", held(json)]]),
    new Map([["A", now({ deep: [1] })]]),
  );
  const value = values.get("A");
  assert.deepEqual(changed, []);
  assert.equal(value?.value, json);
  assert.deepEqual([value?.since, value?.origins[0]?.version], [EARLIER, "2"]);
});

test("a ring that only moves on has changed, and so have bytes", () => {
  const ring = { ...held(["b", "a"]), text: "b" };
  const moved = { ...now(["b", "b"]), text: "b" };
  const bytes = { ...held(Uint8Array.of(1)), text: "same" };
  const others = { ...now(Uint8Array.of(2)), text: "same" };
  const { changed } = compareSettings(
    new Map([
      ["RING", ring],
      ["BYTES", bytes],
    ]),
    new Map([
      ["RING", moved],
      ["BYTES", others],
    ]),
  );
  assert.deepEqual(changed, ["RING", "BYTES"]);
});
