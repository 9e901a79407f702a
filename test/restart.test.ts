import assert from "node:assert/strict";
import { test } from "node:test";
import { type ErrorCode, SallyportError } from "../entrypoint/errors.ts";
import { restartPauseMs } from "../entrypoint/restart.ts";

/** At the least and at the most. */
function pauses(code: ErrorCode, ranMs = 0, restMs = 0): number[] {
  const error = new SallyportError(code, "it failed", { restMs });
  return [0, 1].map((chance) => restartPauseMs(error, ranMs, () => chance));
}

test("who was refused leaves the identity alone for as long as the manager locks it, and up to twice that", () => {
  assert.deepEqual(pauses("IDENTITY_REFUSED", 0, 300_000), [300_000, 600_000]);
  assert.deepEqual(pauses("IDENTITY_REFUSED"), [1_000, 5_000]);
});

test("a manager that can't be reached is asked again soon, however long it took", () => {
  assert.deepEqual(pauses("MANAGER_UNREACHABLE", 20_000), [1_000, 5_000]);
});

test("what only a person can mend ends at once, while Docker remembers that it fails", () => {
  for (const code of ["SETTINGS_INVALID", "SECRET_DENIED", "MIGRATION_FAILED", "SCHEMA_INVALID"] as const) {
    assert.deepEqual(pauses(code, 8_999), [0, 0]);
  }
});

test("after ten seconds, when Docker would start it again at once, it ends one to six minutes after its start", () => {
  assert.deepEqual(pauses("SETTINGS_INVALID", 9_000), [51_000, 351_000]);
  assert.deepEqual(pauses("GUARD_REFUSED", 400_000), [0, 0]);
});

test("what may pass by itself, and what the app does, ends at once", () => {
  for (const code of ["DATABASE_UNREACHABLE", "MIGRATION_LOCKED", "BOOT_TIMEOUT", "APP_FAILED"] as const) {
    assert.deepEqual(pauses(code, 20_000), [0, 0]);
  }
});
