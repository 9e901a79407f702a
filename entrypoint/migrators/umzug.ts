/** Umzug's instance, as the app has built it; Umzug 3. */
import { type Migrator, MigratorError, type MigratorStatus, outOfOrder, reasonOf } from "./migrator.ts";

interface Named {
  readonly name: string;
}

/** What is used of an `Umzug`. */
export interface UmzugInstance<Ctx extends object> {
  readonly options: { readonly context?: Ctx | (() => Promise<Ctx> | Ctx) };
  migrations(context: Ctx): Promise<readonly Named[]>;
  executed(): Promise<readonly Named[]>;
  pending(): Promise<readonly Named[]>;
  up(): Promise<readonly Named[]>;
}

export interface UmzugOptions {
  /** Whether one that stands before the last executed one may be applied. Umzug itself does so without a word. Default `error`. */
  readonly outOfOrder?: "error" | "allow";
}

export function umzug<Ctx extends object>(
  instance: UmzugInstance<Ctx>,
  options: UmzugOptions = {},
): Migrator {
  const read = async (): Promise<MigratorStatus> => {
    const state = { applied: namesOf(await instance.executed()), pending: namesOf(await instance.pending()) };
    if (options.outOfOrder === "allow") return { ...state, problems: [] };
    return { ...state, problems: outOfOrder(await orderOf(instance), state) };
  };
  return {
    name: "Umzug",
    // Most storages make their table when they are first asked. Where several processes do so at once, PostgreSQL's
    // "create table if not exists" fails for all but one of them; then the table is there.
    status: () => read().catch(read),
    async up() {
      try {
        return namesOf(await instance.up());
      } catch (error) {
        throw toMigratorError(error);
      }
    },
  };
}

function namesOf(migrations: readonly Named[]): string[] {
  return migrations.map(({ name }) => name);
}

/** A list that is written by hand need not sort by name. */
async function orderOf<Ctx extends object>(instance: UmzugInstance<Ctx>): Promise<string[]> {
  const { context = {} as Ctx } = instance.options;
  return namesOf(await instance.migrations(typeof context === "function" ? await context() : context));
}

/** Umzug's own error knows the migration, and has what it threw as its cause. */
function toMigratorError(error: unknown): MigratorError {
  const { migration, cause = error } = (error ?? {}) as { migration?: Partial<Named>; cause?: unknown };
  return new MigratorError(migration?.name, reasonOf(cause), error);
}
