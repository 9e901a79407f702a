import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { SallyportError } from "../../entrypoint/errors.ts";
import type { MigrateOptions } from "../../entrypoint/migrate/migrate.ts";
import type { MigrationLock } from "../../entrypoint/migrate/migration.ts";
import { loadMigrator, migrateByModule, pendingOfModule } from "../../entrypoint/migrate/module.ts";
import { type Migrator, MigratorError, type MigratorStatus } from "../../entrypoint/migrators/migrator.ts";
import { makeFolder } from "../folder.ts";

interface Scene {
  readonly migrator: Migrator;
  readonly lock: MigrationLock;
  readonly options: MigrateOptions;
  /** What happened, in order. */
  readonly events: string[];
  readonly applied: string[];
  /** Breaks the lock's connection. */
  lose(): void;
}

/** A migrator in memory, and a lock that writes down what becomes of it. */
function createScene(given: Partial<Migrator> = {}, options: Partial<MigrateOptions> = {}): Scene {
  const events: string[] = [];
  const applied: string[] = [];
  const lost = new AbortController();
  const migrator: Migrator = {
    name: "Test",
    status: async () => ({
      applied: [...applied],
      pending: ["1", "2"].filter((it) => !applied.includes(it)),
      problems: [],
    }),
    async up() {
      events.push("up");
      applied.push("1", "2");
      return ["1", "2"];
    },
    close: async () => void events.push("closed"),
    ...given,
  };
  const lock: MigrationLock = {
    async tryAcquire() {
      events.push("locked");
      return { lost: lost.signal, release: async () => void events.push("released") };
    },
    close: async () => {},
  };
  return {
    migrator,
    lock,
    events,
    applied,
    lose: () => lost.abort(new Error("the connection ended")),
    options: {
      mode: "run",
      allowOutOfOrder: false,
      lockTimeoutMs: 50_000,
      signal: new AbortController().signal,
      log: (_level, event) => void events.push(event),
      progress: () => {},
      ...options,
    },
  };
}

async function failureOf(running: Promise<unknown>): Promise<SallyportError> {
  const error = await running.then(
    () => assert.fail("it did not fail"),
    (thrown) => thrown,
  );
  assert.ok(error instanceof SallyportError, String(error));
  return error;
}

const run = (scene: Scene) => migrateByModule(scene, scene.options);
const always = (status: Partial<MigratorStatus>) => async () => ({
  applied: [],
  pending: [],
  problems: [],
  ...status,
});

test("what is pending is applied between lock and release, and the migrator is closed last", async () => {
  const scene = createScene();
  assert.deepEqual(await run(scene), ["1", "2"]);
  const work = ["up", "migration.applied", "migration.applied", "migrator.completed"];
  assert.deepEqual(scene.events, ["locked", ...work, "released", "closed"]);
});

test("with nothing pending the lock is not taken; what a newer image applied is only told", async () => {
  const scene = createScene({ status: always({ applied: ["1"], newer: ["9"] }) });
  assert.deepEqual(await run(scene), []);
  assert.deepEqual(scene.events, ["migration.newer", "closed"]);
});

test("what another process applied while this one waited for the lock is not applied again", async () => {
  const scene = createScene();
  const { lock, applied } = scene;
  const slow: MigrationLock = {
    ...lock,
    async tryAcquire() {
      applied.push("1", "2");
      return lock.tryAcquire();
    },
  };
  assert.deepEqual(await migrateByModule({ ...scene, lock: slow }, scene.options), []);
  assert.deepEqual(scene.events, ["locked", "released", "closed"]);
});

test("problems are all listed, and keep everything from running", async () => {
  const problems = [
    { subject: "1", message: "was edited" },
    { subject: "2", message: "is gone" },
  ];
  const scene = createScene({ status: always({ pending: ["3"], problems }) });
  const error = await failureOf(run(scene));
  assert.equal(error.code, "MIGRATION_INVALID");
  assert.deepEqual(error.problems, problems);
  assert.deepEqual(scene.events, ["locked", "released", "closed"]);
  assert.deepEqual((await failureOf(pendingOfModule(scene.migrator))).problems, problems);
});

test("in mode check it names what is pending, and takes no lock", async () => {
  const scene = createScene({}, { mode: "check" });
  const error = await failureOf(run(scene));
  assert.equal(error.code, "MIGRATION_PENDING");
  assert.equal(error.exitCode, 79);
  assert.deepEqual(
    error.problems.map(({ subject }) => subject),
    ["1", "2"],
  );
  assert.deepEqual(scene.events, ["closed"]);
  assert.deepEqual(await pendingOfModule(scene.migrator), ["1", "2"]);
});

test("in mode wait it goes on when another process is done, without the lock", async () => {
  let asked = 0;
  const states: Partial<MigratorStatus>[] = [{ pending: ["1"] }, { pending: ["1"] }, { applied: ["1"] }];
  const status = async () => always(states[asked++] ?? {})();
  const scene = createScene({ status }, { mode: "wait", random: () => -1 });
  assert.deepEqual(await run(scene), []);
  assert.equal(asked, 3);
  assert.deepEqual(scene.events, ["closed"]);
});

test("a failure names the migration, its reason, and what came before it", async () => {
  const scene = createScene({
    up: async () => {
      scene.applied.push("1");
      throw new MigratorError("2", "no such column", undefined);
    },
  });
  const error = await failureOf(run(scene));
  assert.equal(error.code, "MIGRATION_FAILED");
  assert.equal(error.message, "migration 2 failed: no such column; 1 were applied before it");
  assert.deepEqual(scene.events, ["locked", "migration.applied", "released", "closed"]);
});

test("an error that names no migration is that of the first one which is still pending", async () => {
  const scene = createScene({
    up: async () => {
      throw new Error("no such column");
    },
  });
  const { message } = await failureOf(run(scene));
  assert.equal(message, "migration 1 failed: no such column; nothing was applied before it");
});

test("a migrator that ends without an error but skips something does not count as done", async () => {
  const scene = createScene({
    up: async () => {
      scene.applied.push("1");
      return ["1", "2"];
    },
  });
  const error = await failureOf(run(scene));
  assert.equal(error.code, "MIGRATION_FAILED");
  assert.deepEqual(error.problems, [{ subject: "2", message: "is still not applied" }]);
});

test("when the lock's connection breaks, nothing is waited for any more", async () => {
  const scene = createScene({
    up: () => {
      scene.lose();
      return new Promise(() => {});
    },
  });
  const { code, message } = await failureOf(run(scene));
  assert.equal(code, "MIGRATION_FAILED");
  assert.match(message, /the connection ended/);
});

test("a stop waits for what runs; migrate.timeout does not", async () => {
  const stop = new AbortController();
  const stopped = createScene(
    {
      async up() {
        stop.abort(new Error("SIGTERM"));
        stopped.applied.push("1", "2");
        return ["1", "2"];
      },
    },
    { signal: stop.signal },
  );
  assert.deepEqual(await run(stopped), ["1", "2"]);

  const late = new AbortController();
  const up = () => {
    late.abort(new DOMException("late", "TimeoutError"));
    return new Promise<never>(() => {});
  };
  const scene = createScene({ up }, { signal: late.signal });
  assert.match((await failureOf(run(scene))).message, /^migration 1 failed: late/);
});

test("a status that fails, or is no status, ends the boot with the migrator's name", async () => {
  const failing = createScene({
    status: async () => {
      throw new Error("no such host");
    },
  });
  assert.match((await failureOf(run(failing))).message, /^Test can't say what is applied: no such host/);
  const odd = createScene({ status: async () => undefined as never });
  assert.equal((await failureOf(run(odd))).code, "MIGRATION_INVALID");
});

test("a migrator that does not close is told, and does not hide how the migration went", async () => {
  const scene = createScene({
    close: async () => {
      throw new Error("busy");
    },
  });
  assert.deepEqual(await run(scene), ["1", "2"]);
  assert.equal(scene.events.at(-1), "migrator.abandoned");
});

const OBJECT = "{ name: 'mine', status() {}, up() {} }";
const CONTEXT = { signal: new AbortController().signal, log: {} as never };

function writeModule(text: string, extension = "mjs"): string {
  const path = join(makeFolder(), `migrate.${extension}`);
  writeFileSync(path, text);
  return path;
}

test("a module exports its migrator, or a function of settings and context, as default or by name", async () => {
  const modules = [
    writeModule(`export default ${OBJECT}`),
    writeModule(`export const migrator = ${OBJECT}`),
    writeModule(`module.exports = ${OBJECT}`, "cjs"),
    writeModule(`module.exports = { migrator: ${OBJECT} }`, "cjs"),
    writeModule(
      `export default async ({ NAME }, { signal }) => ({ ...${OBJECT}, name: signal.aborted ? "" : NAME })`,
    ),
  ];
  for (const path of modules)
    assert.equal((await loadMigrator(path, { NAME: "mine" }, CONTEXT)).name, "mine");
});

test("a module that is broken, or exports no migrator, says which one it is and why", async () => {
  const expected: [string, RegExp][] = [
    ["export default { up() {} }", /migrate\.mjs can't be used: it exports no migrator/],
    ["export const other = 1", /it exports no migrator/],
    ["throw new Error('no driver')", /can't be used: no driver/],
    ["export default () => { throw new Error('no setting') }", /can't be used: no setting/],
  ];
  for (const [text, message] of expected) {
    const error = await failureOf(loadMigrator(writeModule(text), {}, CONTEXT));
    assert.equal(error.code, "MIGRATION_INVALID");
    assert.match(error.message, message);
  }
});
