/** The extension point: a migrator that the app brings along, with its own library and its own books. */
import type { AppLog } from "../app/context.ts";
import type { Problem } from "../errors.ts";

/**
 * For implementers: `status` changes nothing, not even to make tables of its own, because forty processes call it at once and
 * without the lock. `up` is called by one of them, while it holds Sallyport's lock; that lock is on another connection, which is
 * idle, so that CREATE INDEX CONCURRENTLY does not wait for it. `up` applies everything that is pending, in order, stops at the
 * first failure and throws it, best as a `MigratorError`. Nothing is applied twice: state is read again after the lock is taken.
 */
export interface Migrator {
  /** For messages: `Drizzle`, `our own migrator`. */
  readonly name: string;
  status(): Promise<MigratorStatus>;
  /** Returns the names of what it applied, in order. */
  up(): Promise<readonly string[]>;
  /** Ends the connections that were opened for migrating. Called once, after everything else. */
  close?(): Promise<void>;
}

export interface MigratorStatus {
  readonly applied: readonly string[];
  /** In the order in which `up` would apply them. */
  readonly pending: readonly string[];
  /** Each one keeps all of them from running. */
  readonly problems: readonly Problem[];
  /** Applied by a newer image than this one, which a roll-back leaves behind; it is only told. */
  readonly newer?: readonly string[];
}

/** What the module of `"migrations": { "module": "./migrate.mjs" }` exports, as `default` or as `migrator`. */
export type MigratorExport<Settings = never> =
  | Migrator
  | ((settings: Settings, context: MigratorContext) => Migrator | Promise<Migrator>);

export interface MigratorContext {
  /** Aborted when the process is asked to stop, and when `migrate.timeout` passes. */
  readonly signal: AbortSignal;
  /** Writes in the entrypoint's own format; known secret values are blanked out. */
  readonly log: AppLog;
}

/** A migration that failed: its name, and the reason in words that may be printed. */
export class MigratorError extends Error {
  override readonly name = "MigratorError";
  /** Without it, the first one that is still pending is taken to have failed. */
  readonly migration: string | undefined;

  constructor(migration: string | undefined, reason: string, cause: unknown) {
    super(reason, { cause });
    this.migration = migration;
  }
}

/** The error's words and the database's code. Not `detail` and `where`, which quote rows. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return `something was thrown that is no error (${typeof error})`;
  const { code } = error as { code?: unknown };
  const words = error.message || error.name;
  return typeof code === "string" && !words.includes(code) ? `${words} (${code})` : words;
}

/** Pending ones that stand before the last applied one in `order`, as problems. */
export function outOfOrder(
  order: readonly string[],
  { applied, pending }: Pick<MigratorStatus, "applied" | "pending">,
): Problem[] {
  const last = order.findLast((name) => applied.includes(name));
  if (last === undefined) return [];
  const before = new Set(order.slice(0, order.indexOf(last)));
  return pending
    .filter((name) => before.has(name))
    .map((subject) => ({
      subject,
      message: `sorts before ${last}, which is applied already; give it a later name`,
    }));
}
