/** The `database` part of the config. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { parseDuration } from "../duration.ts";
import type { Problem } from "../errors.ts";
import { suggestion } from "../suggestion.ts";
import type { SettingSpec } from "./settings.ts";
import type { DatabaseDeclaration, MigrateMode } from "./types.ts";

/** The names of the settings that say where the database is. */
export interface ConnectionNames {
  readonly url?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly name?: string | undefined;
  readonly tls?: string | undefined;
  /** Where no URL tells it. */
  readonly dialect?: "postgres" | "mysql" | undefined;
  /** Absolute; a CA's certificates as PEM. */
  readonly caFile?: string | undefined;
}

export interface DatabaseConfig {
  readonly connection: ConnectionNames;
  /** The same, or a more privileged login for migrating. */
  readonly migrator: ConnectionNames;
  readonly mode: MigrateMode;
  /** Absolute. */
  readonly folder: string | undefined;
  readonly module: string | undefined;
  readonly expect: string | undefined;
  readonly allowOutOfOrder: boolean;
  readonly baseline: string | undefined;
  /** For the lock; exit 75 when it passes. */
  readonly lockTimeoutMs: number;
  /** For all migrations together. */
  readonly timeoutMs: number;
}

const NAMES = ["url", "host", "port", "user", "password", "name", "tls"] as const;

export function parseDatabase(
  config: DatabaseDeclaration | undefined,
  directory: string,
  settings: readonly SettingSpec[],
  problems: Problem[],
): DatabaseConfig | undefined {
  if (!config) return undefined;
  const migrate: Exclude<DatabaseDeclaration["migrate"], string | undefined> =
    typeof config.migrate === "string" ? { mode: config.migrate } : (config.migrate ?? {});
  const connection = pickNames(config);
  const login = pickNames(migrate);
  for (const [at, names] of [
    ["database", connection],
    ["database.migrate", login],
  ] as const) {
    problems.push(...nameProblems(at, names, settings));
  }
  if (!config.url && !config.host && !config.name) {
    problems.push({
      subject: "database.url",
      message: "is required: the name of a setting that holds the database's URL (or name each part)",
    });
  }
  const { migrations, expect } = config;
  const folder = typeof migrations === "string" ? resolve(directory, migrations) : undefined;
  const module = typeof migrations === "object" ? resolve(directory, migrations.module) : undefined;
  const schema = expect === undefined ? undefined : resolve(directory, expect);
  if (folder !== undefined && !existsSync(`${folder}/.`)) {
    problems.push({ subject: "database.migrations", message: `there is no folder ${folder}` });
  }
  if (module !== undefined && !existsSync(module)) {
    problems.push({ subject: "database.migrations.module", message: `there is no file ${module}` });
  }
  const caFile = config.caFile === undefined ? undefined : resolve(directory, config.caFile);
  if (caFile !== undefined && !existsSync(caFile)) {
    problems.push({ subject: "database.caFile", message: `there is no file ${caFile}` });
  }
  const fixed = { dialect: config.dialect, caFile };
  return {
    connection: { ...connection, ...fixed },
    migrator: { ...(login.url ? { tls: connection.tls } : connection), ...login, ...fixed },
    mode: migrate.mode ?? "run",
    folder,
    module,
    expect: schema,
    allowOutOfOrder: migrate.outOfOrder === "allow",
    baseline: migrate.baseline,
    lockTimeoutMs: parseDuration(migrate.lockTimeout ?? "10m") as number,
    timeoutMs: parseDuration(migrate.timeout ?? "1h") as number,
  };
}

function pickNames(config: { readonly [Name in (typeof NAMES)[number]]?: string }): ConnectionNames {
  return Object.fromEntries(
    NAMES.flatMap((name) => (config[name] === undefined ? [] : [[name, config[name]]])),
  );
}

function nameProblems(at: string, names: ConnectionNames, settings: readonly SettingSpec[]): Problem[] {
  const declared = settings.map(({ name }) => name);
  return Object.entries(names).flatMap(([part, name]) =>
    declared.includes(name)
      ? []
      : [
          {
            subject: `${at}.${part}`,
            message: `names the setting '${name}', which is not declared${suggestion(name, declared)}`,
          },
        ],
  );
}
