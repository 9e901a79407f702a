/** Kysely's `Migrator`, as the app has built it. */
import { type Migrator, MigratorError, outOfOrder, reasonOf } from "./migrator.ts";

/** What is used of Kysely's `Migrator`. */
export interface KyselyMigrator {
  getMigrations(): Promise<readonly { readonly name: string; readonly executedAt?: Date | undefined }[]>;
  migrateToLatest(): Promise<{
    readonly error?: unknown;
    readonly results?:
      | readonly { readonly migrationName: string; readonly status: "Success" | "Error" | "NotExecuted" }[]
      | undefined;
  }>;
}

export interface KyselyOptions {
  /** `allow` for a migrator with `allowUnorderedMigrations`. Default `error`, as Kysely itself. */
  readonly outOfOrder?: "error" | "allow";
}

/** `CREATE INDEX CONCURRENTLY` takes a migrator with `disableTransactions`: Kysely puts a whole run into one transaction. */
export function kysely(migrator: KyselyMigrator, options: KyselyOptions = {}): Migrator {
  return {
    name: "Kysely",
    async status() {
      const all = await migrator.getMigrations();
      const namesOf = (executed: boolean) =>
        all.filter(({ executedAt }) => (executedAt !== undefined) === executed).map(({ name }) => name);
      const state = { applied: namesOf(true), pending: namesOf(false) };
      const order = all.map(({ name }) => name);
      return { ...state, problems: options.outOfOrder === "allow" ? [] : outOfOrder(order, state) };
    },
    async up() {
      // It never throws: what went wrong is in the result.
      const { error, results = [] } = await migrator.migrateToLatest();
      const namesOf = (wanted: string) =>
        results.filter(({ status }) => status === wanted).map(({ migrationName }) => migrationName);
      if (error !== undefined) throw new MigratorError(namesOf("Error")[0], reasonOf(error), error);
      return namesOf("Success");
    },
  };
}
