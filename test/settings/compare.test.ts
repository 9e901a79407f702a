/** What a refresh brings. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compareSettings } from "../../entrypoint/settings/compare.ts";
import type { SettingValue } from "../../entrypoint/settings/settings.ts";

const EARLIER = "2026-01-01T00:00:00.000Z";
const NOW = "2026-02-01T00:00:00.000Z";

function held(value: unknown, version = "1", since = EARLIER): SettingValue {
  const texts = value === undefined ? [] : [JSON.stringify(value)];
  return { value, text: texts[0], texts, origins: [{ source: "s", version, expiresAt: undefined }], since };
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

test("a ring whose older key alone is another one has changed; what can't be compared goes by its text", () => {
  const ring = { ...held(["b", "a"]), texts: ["b", "a"] };
  const moved = { ...now(["b", "c"]), texts: ["b", "c"] };
  const opaque = { ...held(() => 1), texts: ["1"] };
  const same = { ...now(() => 1), texts: ["1"] };
  const { changed } = compareSettings(
    new Map([
      ["RING", ring],
      ["OPAQUE", opaque],
    ]),
    new Map([
      ["RING", moved],
      ["OPAQUE", same],
    ]),
  );
  assert.deepEqual(changed, ["RING"]);
});
