/** Prisma's real schema engine, which `prisma migrate status` and `deploy` ask, in the build that needs no download. */
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { PrismaPg } from "@prisma/adapter-pg";
import { bindMigrationAwareSqlAdapterFactory } from "@prisma/driver-adapter-utils";
import * as glue from "@prisma/schema-engine-wasm/schema_engine_bg";

type Instance = { readonly exports: { __wbindgen_start(): void } };
type Wasm = { instantiate(bytes: Uint8Array, imports: object): Promise<{ instance: Instance }> };

async function startEngine(): Promise<void> {
  const package_ = dirname(createRequire(import.meta.url).resolve("@prisma/schema-engine-wasm"));
  const bytes = readFileSync(join(package_, "schema_engine_bg.wasm"));
  const { WebAssembly: wasm } = globalThis as unknown as { WebAssembly: Wasm };
  const { instance } = await wasm.instantiate(bytes, { "./schema_engine_bg.js": glue });
  (glue as unknown as { __wbg_set_wasm(exports: object): void }).__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
}

let started: Promise<void> | undefined;

export interface PrismaEngine {
  /** What `prisma migrate status` asks. */
  status(folder: string): Promise<glue.DiagnoseMigrationHistoryOutput>;
  /** What `prisma migrate deploy` asks. @returns the names of those applied */
  deploy(folder: string): Promise<string[]>;
  /** `prisma migrate resolve --rolled-back` */
  markRolledBack(migrationName: string): Promise<void>;
}

export async function openEngine(url: string): Promise<PrismaEngine> {
  started ??= startEngine();
  await started;
  const adapter = bindMigrationAwareSqlAdapterFactory(
    new PrismaPg({ connectionString: url, idleTimeoutMillis: 100, allowExitOnIdle: true }),
  );
  const schema: [string, string] = ["schema.prisma", 'datasource db { provider = "postgresql" }'];
  const engine = await glue.SchemaEngine.new({ datamodels: [schema] }, () => {}, adapter);
  const filters = { externalTables: [], externalEnums: [] };
  return {
    status: (folder) =>
      engine.diagnoseMigrationHistory({
        migrationsList: listMigrations(folder),
        optInToShadowDatabase: false,
        filters,
      }),
    deploy: async (folder) =>
      (await engine.applyMigrations({ migrationsList: listMigrations(folder), filters }))
        .appliedMigrationNames,
    markRolledBack: async (migrationName) => void (await engine.markMigrationRolledBack({ migrationName })),
  };
}

function listMigrations(baseDir: string): glue.MigrationList {
  const names = readdirSync(baseDir).sort();
  return {
    baseDir,
    lockfile: { path: "migration_lock.toml", content: 'provider = "postgresql"' },
    shadowDbInitScript: "",
    migrationDirectories: names.map((path) => ({
      path,
      migrationFile: {
        path: "migration.sql",
        content: { tag: "ok", value: readFileSync(join(baseDir, path, "migration.sql"), "utf8") },
      },
    })),
  };
}
