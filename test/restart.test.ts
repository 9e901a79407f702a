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
  assert.deepEqual(pauses("IDENTITY_REFUSED"), [3_000, 7_000]);
});

test("a manager that can't be reached is asked again soon, however long it took", () => {
  assert.deepEqual(pauses("MANAGER_UNREACHABLE", 20_000), [3_000, 7_000]);
});

const VERDICTS = ["SECRET_DENIED", "SETTINGS_INVALID"] as const;

test("what another start would meet again ends in a moment that differs, while Docker remembers that it fails", () => {
  for (const code of VERDICTS) assert.deepEqual(pauses(code, 5_000), [0, 3_000]);
});

test("after ten seconds, when Docker would start it again at once, it ends one to six minutes after its start", () => {
  for (const code of [...VERDICTS, "IDENTITY_REFUSED", "MANAGER_ANSWER_INVALID"] as const) {
    assert.deepEqual(pauses(code, 9_000), [51_000, 351_000]);
    assert.deepEqual(pauses(code, 400_000), [0, 0]);
  }
});

test("no wait makes a run long enough to be forgotten, and short enough to come back soon", () => {
  for (const code of [...VERDICTS, "IDENTITY_REFUSED", "MANAGER_ANSWER_INVALID"] as const) {
    for (let ranMs = 0; ranMs < 60_000; ranMs += 250) {
      for (const chance of [0, 0.25, 0.5, 0.75, 1]) {
        const allMs = ranMs + restartPauseMs(new SallyportError(code, "it failed"), ranMs, () => chance);
        assert.ok(allMs < 9_000 || allMs >= 60_000, `${code} after ${ranMs} ms ends after ${allMs}`);
      }
    }
  }
});

test("what has asked a database, or run code of others, or is exposed ends at once", () => {
  const codes = [
    "DATABASE_REFUSED",
    "MIGRATION_FAILED",
    "SCHEMA_INVALID",
    "WARM_FAILED",
    "APP_FAILED",
  ] as const;
  for (const code of [...codes, "GUARD_REFUSED"] as const) assert.deepEqual(pauses(code, 20_000), [0, 0]);
});
