/** The app's own migrator under our lock: the same loop as for files, with the work left to the module. */
import { pathToFileURL } from "node:url";
import { abortable, isTimeout } from "../abort.ts";
import { errorName, type Problem, SallyportError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Migrator, MigratorContext, MigratorStatus } from "../migrators/migrator.ts";
import { acquire, invalid, type MigrateOptions, pollUntil, stillPending } from "./migrate.ts";
import type { HeldLock, Migration, MigrationLock } from "./migration.ts";
import type { Plan } from "./plan.ts";

export interface ModuleParts {
  readonly migrator: Migrator;
  readonly lock: MigrationLock;
}

/**
 * @returns the names that this process applied, in order
 * @throws {SallyportError} MIGRATION_INVALID with every problem, MIGRATION_LOCKED, MIGRATION_PENDING or MIGRATION_FAILED
 */
export async function migrateByModule(parts: ModuleParts, options: MigrateOptions): Promise<string[]> {
  try {
    return await migrateUnderLock(parts, options);
  } finally {
    await close(parts.migrator, options.log);
  }
}

async function migrateUnderLock(parts: ModuleParts, options: MigrateOptions): Promise<string[]> {
  const { mode, log } = options;
  const state = await readStatus(parts.migrator);
  for (const id of state.newer ?? [])
    log("warn", "migration.newer", `${id} was applied by a newer image than this one`, { id });
  // Forty containers that start with nothing to do don't queue for the lock.
  if (isDone(state)) return [];
  if (mode === "check") {
    checkStatus(state);
    throw stillPending(toPlan(state));
  }
  if (mode === "wait") return waitForOther(parts.migrator, options);
  const held = await acquire(parts.lock, options);
  try {
    return await applyAll(parts.migrator, held, options);
  } finally {
    await held.release();
  }
}

/**
 * What would be applied; changes nothing but to close the migrator.
 * @throws {SallyportError} MIGRATION_INVALID with every problem
 */
export async function pendingOfModule(migrator: Migrator): Promise<readonly string[]> {
  try {
    return checkStatus(await readStatus(migrator));
  } finally {
    await close(migrator);
  }
}

async function applyAll(migrator: Migrator, held: HeldLock, options: MigrateOptions): Promise<string[]> {
  const { log, progress, signal } = options;
  // Whoever had the lock before us may have done all of it.
  const before = await readStatus(migrator);
  if (checkStatus(before).length === 0) return [];
  signal.throwIfAborted();
  progress(`${migrator.name}: ${before.pending.length} pending`);
  const started = performance.now();
  const error = await abortable(
    called(() => migrator.up()),
    leaving(signal, held.lost),
  ).then(
    () => undefined,
    (thrown) => thrown ?? new Error("nothing was thrown"),
  );
  if (held.lost.aborted) throw failed(before, before, held.lost.reason);
  const after = await readStatus(migrator).catch((late) => {
    throw error ? failed(before, before, error) : late;
  });
  const applied = after.applied.filter((id) => !before.applied.includes(id));
  const ms = Math.round(performance.now() - started);
  for (const id of applied)
    log("info", "migration.applied", `${id} applied by ${migrator.name}`, { id, migrator: migrator.name });
  if (error) throw signal.aborted && !isTimeout(signal.reason) ? signal.reason : failed(before, after, error);
  if (after.pending.length > 0) throw leftOver(migrator, after.pending);
  log("info", "migrator.completed", `${migrator.name} applied ${applied.length} in ${ms} ms`, { ms });
  return applied;
}

/** What runs can't be ended from outside. A stop waits for it; when it is too late or the lock is gone, it is left behind. */
function leaving(signal: AbortSignal, lost: AbortSignal): AbortSignal {
  const late = new AbortController();
  const leave = () => void (isTimeout(signal.reason) && late.abort(signal.reason));
  signal.addEventListener("abort", leave, { once: true });
  if (signal.aborted) leave();
  return AbortSignal.any([late.signal, lost]);
}

function waitForOther(migrator: Migrator, options: MigrateOptions): Promise<string[]> {
  return pollUntil(options, async () => {
    const state = await readStatus(migrator);
    return isDone(state) ? [] : `${state.pending.length} migrations are still pending`;
  });
}

/** An app's function need not be async. */
async function called<T>(work: () => T): Promise<Awaited<T>> {
  return await work();
}

async function readStatus(migrator: Migrator): Promise<MigratorStatus> {
  const state = await called(() => migrator.status()).catch((cause) => {
    throw new SallyportError(
      "MIGRATION_FAILED",
      `${migrator.name} can't say what is applied: ${wordsOf(cause)}; nothing was applied`,
      { hint: "Does the migrations module connect to the right database?", cause },
    );
  });
  const isList = (it: unknown) => Array.isArray(it);
  if (isList(state?.applied) && isList(state.pending) && isList(state.problems)) return state;
  throw new SallyportError("MIGRATION_INVALID", `${migrator.name}: status() returns no such thing`, {
    hint: "Return { applied, pending, problems }, each one a list.",
  });
}

function isDone({ pending, problems }: MigratorStatus): boolean {
  return pending.length === 0 && problems.length === 0;
}

function checkStatus(state: MigratorStatus): readonly string[] {
  if (state.problems.length > 0) throw invalid(toPlan(state));
  return state.pending;
}

/** To say what the loop for files says, which needs no more of a migration than its name. */
function toPlan({ pending, problems, newer = [] }: MigratorStatus): Plan {
  return { pending: pending.map((id) => ({ id }) as Migration), problems, begun: 0, newer };
}

const CLOSE_TIMEOUT_MS = 5_000;

/** A pool whose query still runs would wait for it. */
async function close(migrator: Migrator, log?: Log): Promise<void> {
  await abortable(
    called(() => migrator.close?.()),
    AbortSignal.timeout(CLOSE_TIMEOUT_MS),
  ).catch((error) =>
    log?.("warn", "migrator.abandoned", `${migrator.name} did not close (${errorName(error)})`),
  );
}

function failed(before: MigratorStatus, after: MigratorStatus, cause: unknown): SallyportError {
  const applied = after.applied.filter((id) => !before.applied.includes(id));
  const { migration } = (cause ?? {}) as { migration?: unknown };
  const name = typeof migration === "string" ? migration : after.pending[0];
  const subject = name === undefined ? "a migration of the module" : `migration ${name}`;
  const earlier =
    applied.length > 0 ? `${applied.join(", ")} were applied before it` : "nothing was applied before it";
  return new SallyportError("MIGRATION_FAILED", `${subject} failed: ${wordsOf(cause)}; ${earlier}`, {
    hint: "Correct it and start again; what is applied stays applied.",
    cause,
  });
}

function leftOver({ name }: Migrator, pending: readonly string[]): SallyportError {
  const problems = pending.map((subject): Problem => ({ subject, message: "is still not applied" }));
  return new SallyportError(
    "MIGRATION_FAILED",
    `${name} ended without an error, but did not apply everything`,
    {
      hint: "See why it skips what is listed.",
      problems,
    },
  );
}

function wordsOf(error: unknown): string {
  if (!(error instanceof Error) || error.message === "") return errorName(error);
  // SQLSTATE class 22 is about data, and its messages quote it.
  return /^22/.test(errorName(error)) ? error.message.replace(/["«„][\s\S]*["»“]/, '"…"') : error.message;
}

/**
 * Imports the module and asks it for its migrator.
 * @param path absolute
 * @throws {SallyportError} MIGRATION_INVALID when it can't be loaded, or exports no migrator
 */
export async function loadMigrator(
  path: string,
  settings: object,
  context: MigratorContext,
): Promise<Migrator> {
  try {
    const exported = findExport(await import(pathToFileURL(path).href));
    const migrator = typeof exported === "function" ? await exported(settings, context) : exported;
    if (isMigrator(migrator)) return migrator;
  } catch (cause) {
    throw unloadable(path, wordsOf(cause), cause);
  }
  throw unloadable(path, "it exports no migrator");
}

/** A CommonJS module arrives as `default`. */
function findExport(module: Record<string, unknown>): unknown {
  const inner = module.default as Record<string, unknown> | undefined;
  return [module.migrator, inner?.migrator, inner?.default, inner].find((it) => it !== undefined);
}

function isMigrator(it: unknown): it is Migrator {
  const { name, status, up } = (it ?? {}) as Record<string, unknown>;
  return typeof name === "string" && typeof status === "function" && typeof up === "function";
}

function unloadable(path: string, why: string, cause?: unknown): SallyportError {
  return new SallyportError("MIGRATION_INVALID", `the migrations module ${path} can't be used: ${why}`, {
    hint: "Export one: export default { name, status, up }, or an adapter of sallyport/migrators.",
    cause,
  });
}
