/** The loop: lock, read the books again, check everything, apply one after another. Knows no dialect. */
import { setTimeout as delay } from "node:timers/promises";
import { isTimeout } from "../abort.ts";
import { SallyportError } from "../errors.ts";
import type { Log } from "../log.ts";
import { compareIds, type FolderContent } from "./folder.ts";
import type { HeldLock, Migration, MigrationLock, MigrationStore } from "./migration.ts";
import { type Plan, type PlanOptions, planMigrations } from "./plan.ts";
import type { Run } from "./work.ts";

export interface MigrateOptions extends PlanOptions {
  /** `run` applies, `wait` leaves it to another process, `check` only looks. */
  readonly mode: "run" | "wait" | "check";
  /** The last file whose work a database without books, but with tables, has seen already. */
  readonly baseline?: string | undefined;
  /** How long to wait for the lock, or for the other process. */
  readonly lockTimeoutMs: number;
  readonly signal: AbortSignal;
  readonly log: Log;
  /** Told whenever something has got further. */
  readonly progress: (what: string) => void;
  readonly random?: () => number;
}

export interface MigrateParts {
  readonly folder: FolderContent;
  readonly store: MigrationStore;
  readonly lock: MigrationLock;
  /** Runs what a migration holds. */
  readonly work: Run;
  /** Ends the statement that runs. */
  readonly cancel: () => Promise<void>;
}

/**
 * @returns the ids that this process applied, in order
 * @throws {SallyportError} MIGRATION_INVALID with every problem, MIGRATION_LOCKED, MIGRATION_PENDING or MIGRATION_FAILED
 */
export async function migrate(parts: MigrateParts, options: MigrateOptions): Promise<string[]> {
  const { mode, log } = options;
  const plan = await read(parts, options);
  for (const id of plan.newer)
    log("warn", "migration.newer", `${id} was applied by a newer image than this one`, { id });
  // Forty containers that start with nothing to do don't queue for the lock.
  if (plan.problems.length === 0 && plan.pending.length === 0) return [];
  if (mode === "check") throw plan.problems.length > 0 ? invalid(plan) : stillPending(plan);
  if (mode === "wait") return waitForOther(parts, options);
  const held = await acquire(parts.lock, options);
  try {
    return await applyAll(parts, held, options);
  } finally {
    await held.release();
  }
}

async function read({ folder, store }: MigrateParts, options: PlanOptions): Promise<Plan> {
  return planMigrations(folder, await store.records(), options);
}

/** @throws {SallyportError} MIGRATION_INVALID with every problem */
export function checkPlan(plan: Plan): readonly Migration[] {
  if (plan.problems.length > 0) throw invalid(plan);
  return plan.pending;
}

async function applyAll(parts: MigrateParts, held: HeldLock, options: MigrateOptions): Promise<string[]> {
  const { log, progress, baseline } = options;
  if (baseline !== undefined) await adoptUpTo(baseline, parts, log);
  // Whoever had the lock before us may have done all of it.
  const pending = checkPlan(await read(parts, options));
  const applied: string[] = [];
  for (const migration of pending) {
    const started = performance.now();
    progress(migration.id);
    await applyOne(migration, parts, { stop: options.signal, lost: held.lost }).catch((error) => {
      if (options.signal.aborted && !isTimeout(options.signal.reason)) throw options.signal.reason;
      throw failed(migration, applied, pending.length, held.lost.aborted ? held.lost.reason : error);
    });
    const ms = Math.round(performance.now() - started);
    log("info", "migration.applied", `${migration.id} applied in ${ms} ms`, { id: migration.id, ms });
    applied.push(migration.id);
  }
  return applied;
}

/**
 * An end is prompt where the database can undo what was begun; elsewhere the file is finished first, unless the lock is lost.
 * What could not be cancelled must not be committed either: the lock may be another process's by now.
 */
async function applyOne(
  migration: Migration,
  { store, work, cancel }: MigrateParts,
  { stop, lost }: { readonly stop: AbortSignal; readonly lost: AbortSignal },
): Promise<void> {
  const end = AbortSignal.any([stop, lost]);
  const isUndone = store.transactional && migration.transaction;
  const mustEnd = isUndone ? end : lost;
  // Outside a transaction a deadline ends the statement all the same; the books say that it was begun.
  const cancelNow = () =>
    void (store.transactional && (isUndone || isTimeout(end.reason)) && cancel().catch(() => {}));
  end.throwIfAborted();
  end.addEventListener("abort", cancelNow, { once: true });
  try {
    await store.apply(migration, async (content) => {
      mustEnd.throwIfAborted();
      await work(content, mustEnd);
      mustEnd.throwIfAborted();
    });
  } finally {
    end.removeEventListener("abort", cancelNow);
  }
}

async function adoptUpTo(baseline: string, { folder, store }: MigrateParts, log: Log): Promise<void> {
  const seen = folder.migrations.filter(({ id, kind }) => kind === "once" && compareIds(id, baseline) <= 0);
  if (!seen.some(({ id }) => id === baseline)) throw noBaseline(baseline);
  if ((await store.records()).length > 0 || !(await store.adopt(seen))) return;
  log("info", "migration.adopted", `${seen.length} migrations up to ${baseline} are taken as applied`, {
    baseline,
  });
}

export async function acquire(lock: MigrationLock, options: MigrateOptions): Promise<HeldLock> {
  const { log } = options;
  return pollUntil(options, async (tries) => {
    const got = await lock.tryAcquire();
    if ("lost" in got) return got;
    if (tries === 1)
      log("info", "lock.awaited", `another process migrates: ${got.holder}`, { holder: got.holder });
    return got.holder;
  });
}

/** Polls the books until the other process is done. */
async function waitForOther(parts: MigrateParts, options: MigrateOptions): Promise<string[]> {
  return pollUntil(options, async () => {
    const plan = await read(parts, options);
    if (plan.pending.length === 0 && plan.problems.length === 0) return [];
    // What is begun may be under way; anything else will not mend itself.
    if (plan.problems.length > plan.begun) throw invalid(plan);
    return `${plan.pending.length} migrations are still pending`;
  });
}

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 2_000;

/** Asking again and again holds nothing open in the database meanwhile: a waiting statement would block CREATE INDEX CONCURRENTLY. */
export async function pollUntil<T extends object>(
  options: MigrateOptions,
  attempt: (tries: number) => Promise<T | string>,
): Promise<T> {
  const { lockTimeoutMs, signal, progress, random = Math.random } = options;
  const deadline = performance.now() + lockTimeoutMs;
  for (let tries = 1; ; tries++) {
    if (isTimeout(signal.reason)) throw locked("migrate.timeout passed while waiting", lockTimeoutMs);
    signal.throwIfAborted();
    const result = await attempt(tries);
    if (typeof result !== "string") return result;
    if (performance.now() > deadline) throw locked(result, lockTimeoutMs);
    progress("waiting");
    const waitMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (tries - 1)) * (0.5 + random() / 2);
    await delay(waitMs, undefined, { signal }).catch(() => {});
  }
}

function noBaseline(baseline: string): SallyportError {
  return new SallyportError(
    "MIGRATION_INVALID",
    `migrate.baseline names ${baseline}, and there is no such file`,
    {
      hint: "Name the last file whose work the database has seen already.",
    },
  );
}

export function invalid({ problems }: Pick<Plan, "problems">): SallyportError {
  const count = problems.length === 1 ? "a migration is" : `${problems.length} migrations are`;
  return new SallyportError(
    "MIGRATION_INVALID",
    `${count} not as the database's books say; nothing was applied`,
    {
      hint: "Correct what is listed.",
      problems,
    },
  );
}

export function stillPending({
  pending,
}: {
  readonly pending: readonly { readonly id: string }[];
}): SallyportError {
  const problems = pending.map(({ id }) => ({ subject: id, message: "is not applied yet" }));
  const count = pending.length === 1 ? "a migration is" : `${pending.length} migrations are`;
  return new SallyportError("MIGRATION_PENDING", `${count} not applied, and this container may only check`, {
    hint: "Run: node entrypoint.mjs migrate, with a login that may.",
    problems,
  });
}

function locked(why: string, lockTimeoutMs: number): SallyportError {
  return new SallyportError(
    "MIGRATION_LOCKED",
    `the migrations of another process did not end within ${lockTimeoutMs} ms: ${why}`,
    {
      hint: "See what that process does; raise migrate.lockTimeout if it is only slow.",
    },
  );
}

function failed(
  { id }: Migration,
  applied: readonly string[],
  count: number,
  cause: unknown,
): SallyportError {
  const before =
    applied.length > 0
      ? `${applied.join(", ")} ${applied.length === 1 ? "was" : "were"} applied before it`
      : "nothing was applied before it";
  const why = cause instanceof Error ? cause.message : String(cause);
  return new SallyportError(
    "MIGRATION_FAILED",
    `migration ${id} (${applied.length + 1} of ${count}) failed: ${why}; ${before}`,
    {
      hint: "Correct the file and start again; what is applied stays applied.",
      cause,
    },
  );
}
