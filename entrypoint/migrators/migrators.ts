/** What `import { … } from "sallyport/migrators"` gives an app: adapters for the library that it migrates with already. */
export { type DrizzleConfig, type DrizzleOptions, drizzle } from "./drizzle.ts";
export { type KnexInstance, type KnexOptions, knex } from "./knex.ts";
export { type KyselyMigrator, type KyselyOptions, kysely } from "./kysely.ts";
export {
  type Migrator,
  type MigratorContext,
  MigratorError,
  type MigratorExport,
  type MigratorStatus,
} from "./migrator.ts";
export { type PgClient, type PrismaSqlOptions, prismaSql } from "./prisma-sql.ts";
export { type UmzugInstance, type UmzugOptions, umzug } from "./umzug.ts";
