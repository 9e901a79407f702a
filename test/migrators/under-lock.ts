/** Runs migrators as the entrypoint does: by its own loop, under its own lock, on a real PostgreSQL. */
import assert from "node:assert/strict";
import { openDatabase } from "../../entrypoint/database/database.ts";
import { SallyportError } from "../../entrypoint/errors.ts";
import { openBooks } from "../../entrypoint/migrate/books.ts";
import type { MigrateOptions } from "../../entrypoint/migrate/migrate.ts";
import type { MigrationLock } from "../../entrypoint/migrate/migration.ts";
import { migrateByModule } from "../../entrypoint/migrate/module.ts";
import type { Migrator, MigratorStatus } from "../../entrypoint/migrators/migrator.ts";

export function createOptions(given: Partial<MigrateOptions> = {}): MigrateOptions {
  return {
    mode: "run",
    allowOutOfOrder: false,
    lockTimeoutMs: 50_000,
    signal: new AbortController().signal,
    log: () => {},
    progress: () => {},
    ...given,
  };
}

export async function runUnderLock(url: string, migrator: Migrator): Promise<string[]> {
  const options = createOptions();
  const database = await openDatabase(
    { url: "DATABASE_URL" },
    { readText: () => url, directory: import.meta.dirname, log: options.log },
  );
  const books = await openBooks(
    { ...database, connect: () => database.connect(options.signal) },
    await database.connect(options.signal),
  );
  try {
    return await migrateByModule({ migrator, lock: books.lock }, options);
  } finally {
    await books.close();
  }
}

/** Each with connections of its own, as in five containers. @returns what each of them applied, the busiest first */
export async function runFiveAtOnce(
  url: string,
  open: () => Migrator | Promise<Migrator>,
): Promise<string[][]> {
  const migrators = await Promise.all(Array.from({ length: 5 }, open));
  const results = await Promise.all(migrators.map((migrator) => runUnderLock(url, migrator)));
  return results.sort((a, b) => b.length - a.length);
}

/** Asks, and closes whatever comes of it: a connection that is left open would keep the test's process alive. */
export async function statusOf(migrator: Migrator): Promise<MigratorStatus> {
  try {
    return await migrator.status();
  } finally {
    await migrator.close?.();
  }
}

/** For migrators that must not need it. */
export const LOCK_OF_NOBODY: MigrationLock = {
  tryAcquire: async () => assert.fail("the lock was taken"),
  close: async () => {},
};

export async function failureOf(running: Promise<unknown>): Promise<SallyportError> {
  const error = await running.then(
    () => assert.fail("it did not fail"),
    (thrown) => thrown,
  );
  assert.ok(error instanceof SallyportError, String(error));
  return error;
}
