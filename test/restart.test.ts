import assert from "node:assert/strict";
import { mkdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type ErrorCode, type Rest, SallyportError } from "../entrypoint/errors.ts";
import { isDockerRestart, restartPauseMs } from "../entrypoint/restart.ts";
import { makeFolder } from "./folder.ts";

interface How {
  readonly ranMs?: number;
  readonly again?: boolean;
  readonly rest?: Rest;
}

/** At the least and at the most. */
function pauses(code: ErrorCode, { ranMs = 0, again = false, rest }: How = {}): number[] {
  const error = new SallyportError(code, "it failed", { rest });
  return [0, 1].map((chance) => restartPauseMs(error, { ranMs, again }, () => chance));
}

test("who was refused leaves the identity alone for as long as the manager locks it, and longer each time after the first", () => {
  const rest = { leastMs: 300_000, mostMs: 600_000, mostAgainMs: 3_600_000 };
  assert.deepEqual(pauses("IDENTITY_REFUSED", { rest }), [300_000, 600_000]);
  assert.deepEqual(pauses("IDENTITY_REFUSED", { rest, again: true }), [300_000, 3_600_000]);
  assert.deepEqual(pauses("IDENTITY_REFUSED"), [3_000, 7_000]);
});

test("a manager that can't be reached is asked again soon, however long it took, and however often", () => {
  assert.deepEqual(pauses("MANAGER_UNREACHABLE", { ranMs: 20_000, again: true }), [3_000, 7_000]);
});

const VERDICTS = ["SECRET_DENIED", "SETTINGS_INVALID"] as const;
const WITH_REFUSALS = [...VERDICTS, "IDENTITY_REFUSED", "MANAGER_ANSWER_INVALID"] as const;

test("what another start would meet again ends in a moment that differs, the first time", () => {
  for (const code of VERDICTS) assert.deepEqual(pauses(code, { ranMs: 5_000 }), [0, 3_000]);
});

test("and one to five minutes after its start, when Docker has started the container before", () => {
  for (const code of WITH_REFUSALS)
    assert.deepEqual(pauses(code, { ranMs: 400, again: true }), [59_600, 299_600]);
});

test("as after ten seconds, when Docker would start it again at once", () => {
  for (const code of WITH_REFUSALS) {
    assert.deepEqual(pauses(code, { ranMs: 9_000 }), [51_000, 291_000]);
    assert.deepEqual(pauses(code, { ranMs: 400_000 }), [0, 0]);
  }
});

test("no wait makes a run long enough to be forgotten, and short enough to come back soon", () => {
  for (const code of WITH_REFUSALS) {
    const error = new SallyportError(code, "it failed");
    for (let ranMs = 0; ranMs < 60_000; ranMs += 250) {
      for (const chance of [0, 0.25, 0.5, 0.75, 1]) {
        const allMs = ranMs + restartPauseMs(error, { ranMs, again: false }, () => chance);
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
  for (const code of [...codes, "GUARD_REFUSED"] as const)
    assert.deepEqual(pauses(code, { ranMs: 20_000, again: true }), [0, 0]);
});

/** Of a container whose /etc/hostname was made when it was first started, and written `afterMs` later. */
async function layContainer(afterMs: number): Promise<string> {
  const root = makeFolder();
  await mkdir(join(root, "etc"));
  await writeFile(join(root, ".dockerenv"), "");
  const hostname = join(root, "etc/hostname");
  await writeFile(hostname, "3f1c9a\n");
  const { birthtimeMs } = await stat(hostname);
  if (afterMs > 0) await utimes(hostname, new Date(), new Date(birthtimeMs + afterMs));
  return root;
}

test("a container whose files are as Docker leaves them at a restart was started before, and no other", async () => {
  const [first, second] = [await layContainer(0), await layContainer(400)];
  assert.equal(isDockerRestart({ root: first, pid: 1 }), false);
  assert.equal(isDockerRestart({ root: second, pid: 1, ppid: 0 }), true);
  assert.equal(isDockerRestart({ root: second, pid: 7, ppid: 1 }), true, "with an init");
  assert.equal(
    isDockerRestart({ root: second, pid: 7, ppid: 6 }),
    false,
    "beside the container's own process",
  );
  await rm(join(second, ".dockerenv"));
  assert.equal(isDockerRestart({ root: second, pid: 1 }), false, "no container of Docker's");
  assert.equal(isDockerRestart({ root: join(second, "etc"), pid: 1 }), false);
});
