/** Knex's migrations, by the app's own instance. */
import { readdir } from "node:fs/promises";
import { extname } from "node:path";
import { type Migrator, MigratorError, type MigratorStatus, reasonOf } from "./migrator.ts";

/** What is used of a `Knex`. */
export interface KnexInstance {
  (table: string): KnexQuery;
  // biome-ignore lint/suspicious/noExplicitAny: so it is in Knex's own types.
  readonly client: any;
  readonly schema: KnexSchema & { withSchema(name: string): KnexSchema };
  readonly migrate: {
    latest(config?: object): Promise<readonly [number, readonly string[]]>;
    forceFreeMigrationsLock(config?: object): Promise<unknown>;
  };
}

interface KnexQuery {
  withSchema(name: string): KnexQuery;
  orderBy(column: string): KnexQuery;
  pluck(column: string): PromiseLike<unknown[]>;
}

interface KnexSchema {
  hasTable(name: string): PromiseLike<boolean>;
}

/** Knex's own `MigratorConfig`, where it is not in the instance's `migrations`. */
export interface KnexOptions {
  readonly directory?: string | readonly string[];
  readonly tableName?: string;
  readonly schemaName?: string;
  readonly disableTransactions?: boolean;
  readonly sortDirsSeparately?: boolean;
  readonly loadExtensions?: readonly string[];
  readonly migrationSource?: KnexSource | undefined;
  readonly beforeEach?: (connection: never, migrations: never) => unknown;
}

interface KnexSource {
  getMigrations(loadExtensions: readonly string[]): Promise<readonly unknown[]>;
  getMigrationName(migration: never): string;
}

/**
 * Like Knex, it applies files in any order. The instance is the app's; whoever opened it ends it:
 * `export default (settings) => { const db = Knex(…); return { ...knex(db), close: () => db.destroy() } }`.
 */
export function knex(instance: KnexInstance, options: KnexOptions = {}): Migrator {
  const config = mergeConfig(instance.client?.config?.migrations, options);
  const nameOf = nameBy(config);
  return {
    name: "Knex",
    async status(): Promise<MigratorStatus> {
      const files = await filesOf(config);
      const applied = await completedOf(instance, config);
      return {
        applied,
        pending: files.filter((name) => !applied.includes(name)),
        ...missing(applied, files),
      };
    },
    async up() {
      let current: string | undefined;
      const beforeEach = (connection: never, migrations: never) => {
        current = nameOf((migrations as unknown[])[0]);
        return config.beforeEach?.(connection, migrations);
      };
      try {
        // Knex's lock is a row that outlives a process which is killed. We hold a real lock, so nobody else is at it.
        // https://github.com/knex/knex/issues/1217
        await instance.migrate.forceFreeMigrationsLock(options);
        const [, applied] = await instance.migrate.latest({ ...options, beforeEach });
        return applied;
      } catch (error) {
        throw new MigratorError(current, withoutStatement(error), error);
      }
    },
  };
}

/** As Knex does it: options about files stand against a source that was configured before. */
function mergeConfig(configured: KnexOptions | undefined, options: KnexOptions): KnexOptions {
  const { directory, sortDirsSeparately, loadExtensions } = options;
  const byFiles = (directory ?? sortDirsSeparately ?? loadExtensions) !== undefined;
  return { ...configured, ...options, ...(byFiles && { migrationSource: undefined }) };
}

const TABLE = "knex_migrations";

/** Not by Knex's own `list`: that makes the tables when they are missing, which fails where several processes do so at once. */
async function completedOf(
  instance: KnexInstance,
  { tableName = TABLE, schemaName }: KnexOptions,
): Promise<string[]> {
  const { schema } = instance;
  const found = await (schemaName ? schema.withSchema(schemaName) : schema).hasTable(tableName);
  if (!found) return [];
  const table = schemaName ? instance(tableName).withSchema(schemaName) : instance(tableName);
  return (await table.orderBy("id").pluck("name")).map(String);
}

function nameBy({ migrationSource }: KnexOptions): (migration: unknown) => string {
  return (migration) =>
    migrationSource?.getMigrationName(migration as never) ?? (migration as { file: string }).file;
}

/** https://knexjs.org/guide/migrations.html#migration-cli */
const EXTENSIONS = [".co", ".coffee", ".eg", ".iced", ".js", ".cjs", ".litcoffee", ".ls", ".ts"];

async function filesOf(config: KnexOptions): Promise<string[]> {
  const { migrationSource, directory = "./migrations", loadExtensions = EXTENSIONS } = config;
  if (migrationSource) return (await migrationSource.getMigrations(loadExtensions)).map(nameBy(config));
  const folders = typeof directory === "string" ? [directory] : directory;
  const lists = await Promise.all(folders.map(async (folder) => (await readdir(folder)).sort()));
  const files = lists.flat().filter((name) => loadExtensions.includes(extname(name)));
  return config.sortDirsSeparately ? files : files.sort();
}

/** Knex would refuse to go on; a roll-back to an older image, which has nothing to apply, may start. */
function missing(
  applied: readonly string[],
  files: readonly string[],
): Pick<MigratorStatus, "problems" | "newer"> {
  const last = files.at(-1) ?? "";
  const gone = applied.filter((name) => !files.includes(name));
  return {
    newer: gone.filter((name) => name > last),
    problems: gone
      .filter((name) => name <= last)
      .map((subject) => ({ subject, message: "was applied, but its file is gone; put it back as it was" })),
  };
}

/** Knex writes the statement, values and all, in front of what the database says. */
function withoutStatement(error: unknown): string {
  const reason = reasonOf(error);
  const isOfDatabase = typeof (error as { code?: unknown } | undefined)?.code === "string";
  return isOfDatabase && reason.includes(" - ") ? reason.slice(reason.lastIndexOf(" - ") + 3) : reason;
}
