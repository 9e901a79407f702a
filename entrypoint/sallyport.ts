/** What `import { … } from "sallyport"` gives an app: types, and `defineConfig`. Nothing here runs in the entrypoint. */
import type { Config } from "./config/types.ts";

export type { HealthCheck } from "./app/checks.ts";
export type { AppLog, Context, RefreshListener } from "./app/context.ts";
export type {
  Config,
  SecretLocation,
  SecretsSource,
  SettingDeclaration,
  SettingsOf,
  StandardSchema,
  TypeName,
} from "./config/types.ts";
export type { LogFields } from "./log.ts";
export type { PoolDefinition } from "./pool/definition.ts";

/** Returns the config as it is, with its exact type, so that `SettingsOf<typeof config>` knows every setting. */
export function defineConfig<const C extends Config>(config: C): C {
  return config;
}
