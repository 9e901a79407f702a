import assert from "node:assert/strict";
import { mkdir, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type ErrorCode, type Rest, SallyportError } from "../entrypoint/errors.ts";
import { isDockerRestart, restartPauseMs, TOLD_MS, taskPauseMs } from "../entrypoint/restart.ts";
import { makeFolder } from "./folder.ts";

interface How {
  readonly ranMs?: number;
  readonly again?: boolean;
  readonly rest?: Rest;
}

/** From the least to the most. */
function pauses(code: ErrorCode, { ranMs = 0, again = false, rest }: How = {}): number[] {
  const error = new SallyportError(code, "it failed", { rest });
  return [0, 1].map((chance) => restartPauseMs(error, { ranMs, again }, () => chance));
}

test("who was refused leaves the identity alone for as long as the manager locks it, and longer each time after the first", () => {
  const rest = { leastMs: 300_000, mostMs: 600_000, apartMs: 31_000 };
  for (const again of [false, true])
    assert.deepEqual(pauses("IDENTITY_REFUSED", { rest, again }), [300_000, 600_000]);
  const longer = { ...rest, mostAgainMs: 1_800_000 };
  assert.deepEqual(pauses("IDENTITY_REFUSED", { rest: longer }), [300_000, 600_000]);
  assert.deepEqual(pauses("IDENTITY_REFUSED", { rest: longer, again: true }), [300_000, 1_800_000]);
  assert.deepEqual(pauses("IDENTITY_REFUSED"), [3_000, 7_000]);
});

test("a task waits only until its own tries do not add up, and after nothing else", () => {
  const rest = { leastMs: 300_000, mostMs: 600_000, apartMs: 31_000 };
  assert.equal(taskPauseMs(new SallyportError("IDENTITY_REFUSED", "it failed", { rest })), 31_000);
  for (const code of ["IDENTITY_REFUSED", "SETTINGS_INVALID", "MIGRATION_FAILED"] as const)
    assert.equal(taskPauseMs(new SallyportError(code, "it failed")), 0);
});

test("a manager that can't be reached is asked again soon, however long it took, and however often", () => {
  assert.deepEqual(pauses("MANAGER_UNREACHABLE", { ranMs: 20_000, again: true }), [3_000, 7_000]);
});

test("so is what answers in its place, as a proxy that is up before it", () => {
  for (const again of [false, true])
    assert.deepEqual(pauses("MANAGER_ANSWER_INVALID", { again }), [3_000, 7_000]);
});

const VERDICTS = ["SECRET_DENIED", "SETTINGS_INVALID"] as const;
const WITH_REFUSALS = [...VERDICTS, "IDENTITY_REFUSED", "MANAGER_ANSWER_INVALID"] as const;

test("the longest wait of a moment is none that is told", () => {
  const error = new SallyportError("SETTINGS_INVALID", "it failed");
  const waitMs = restartPauseMs(error, { ranMs: 0, again: false }, () => 1 - Number.EPSILON);
  assert.ok(waitMs < TOLD_MS, `${waitMs}`);
});

test("what another start would meet again ends in a moment that differs, the first time", () => {
  for (const code of VERDICTS) assert.deepEqual(pauses(code, { ranMs: 5_000 }), [0, 3_000]);
});

test("and one to five minutes after its start, when the container was started before", () => {
  for (const code of [...VERDICTS, "IDENTITY_REFUSED"] as const)
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
    for (const again of [false, true]) {
      for (let ranMs = 0; ranMs < 60_000; ranMs += 250) {
        for (const pauseMs of pauses(code, { ranMs, again })) {
          const allMs = ranMs + pauseMs;
          assert.ok(allMs < 9_000 || allMs >= 60_000, `${code} after ${ranMs} ms ends after ${allMs}`);
        }
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

const MOUNTED_BY_DOCKER = `/var/lib/docker/containers/${"3f".repeat(32)}/hostname`;

interface Laid {
  /** Since it was made. */
  readonly writtenMs: number;
  readonly mounted?: string;
}

/** A container's root, as far as it tells when it was started. */
async function layContainer({ writtenMs, mounted = MOUNTED_BY_DOCKER }: Laid): Promise<string> {
  const root = makeFolder();
  await mkdir(join(root, "proc/self"), { recursive: true });
  await mkdir(join(root, "etc"));
  const line = `87 69 254:0 ${mounted} /etc/hostname ro,relatime - ext4 /dev/vda rw\n`;
  await writeFile(join(root, "proc/self/mountinfo"), line);
  const hostname = join(root, "etc/hostname");
  await writeFile(hostname, "3f1c9a\n");
  const { birthtimeMs } = await stat(hostname);
  await utimes(hostname, new Date(), new Date(birthtimeMs + writtenMs));
  return root;
}

const isRestart = async (laid: Laid) => isDockerRestart({ root: await layContainer(laid), pid: 1, ppid: 0 });
const { birthtimeMs } = await stat(import.meta.filename);
const skip = birthtimeMs > 0 ? false : "this file system does not keep when a file was made";

test("a container whose files are as Docker leaves them at a restart was started before", {
  skip,
}, async () => {
  assert.equal(await isRestart({ writtenMs: 0 }), false);
  assert.equal(await isRestart({ writtenMs: 200 }), false, "a slow disk");
  assert.equal(await isRestart({ writtenMs: 300 }), true);
  assert.equal(await isRestart({ writtenMs: 86_400_000 }), true);
  assert.equal(await isRestart({ writtenMs: -86_400_000 }), false, "unpacked from an archive");
  const root = await layContainer({ writtenMs: 400 });
  assert.equal(isDockerRestart({ root, pid: 7, ppid: 1 }), true, "with an init");
  assert.equal(isDockerRestart({ root, pid: 7, ppid: 6 }), false, "beside the container's own process");
});

test("what does not come from Docker says nothing", async () => {
  for (const mounted of ["/home/me/hostname", "/containers/storage/overlay-containers/3f/userdata/hostname"])
    assert.equal(await isRestart({ writtenMs: 400, mounted }), false);
  assert.equal(isDockerRestart({ root: makeFolder(), pid: 1 }), false);
  const root = await layContainer({ writtenMs: 400 });
  await rm(join(root, "etc/hostname"));
  await symlink("/proc/self/status", join(root, "etc/hostname")); // whose time of birth is not kept
  assert.equal(isDockerRestart({ root, pid: 1 }), false);
});
