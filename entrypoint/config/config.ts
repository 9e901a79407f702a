/** The config room: finds the file, checks all of it, and gives back what the other rooms need with nothing left to parse. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseDuration } from "../duration.ts";
import { type Problem, SallyportError } from "../errors.ts";
import { findProblems } from "../issues.ts";
import { suggestion } from "../suggestion.ts";
import { type AdminConfig, parseAdmin } from "./admin.ts";
import { type DatabaseConfig, parseDatabase } from "./database.ts";
import { type GuardConfig, parseGuard } from "./guard.ts";
import { configSchema } from "./schema.ts";
import { parseSettings, type SettingSpec } from "./settings.ts";
import type { Config, SecretsSource } from "./types.ts";

export interface AppConfig {
  /** Absolute. */
  readonly path: string;
  readonly wrap: boolean;
  /** When a wrapped app counts as ready. */
  readonly ready: "listening" | "loaded";
}

export interface ParsedConfig {
  readonly environment: string;
  readonly source: SecretsSource;
  /** Absolute; relative paths in the config start here. */
  readonly directory: string;
  readonly app: AppConfig | undefined;
  readonly settings: readonly SettingSpec[];
  readonly database: DatabaseConfig | undefined;
  /** Absolute. */
  readonly warm: string | undefined;
  readonly guard: GuardConfig;
  readonly harden: boolean;
  readonly admin: AdminConfig;
  readonly bootTimeoutMs: number;
  readonly shutdownTimeoutMs: number;
  readonly drainDelayMs: number | undefined;
  readonly refreshTimeoutMs: number;
  readonly poolDrainTimeoutMs: number;
}

export interface ConfigRequest {
  readonly cwd: string;
  /** From `--config`. */
  readonly file: string | undefined;
  /** From the command line; replaces the config's app. */
  readonly app: string | undefined;
  /** The value of `ENVIRONMENT`. */
  readonly environment: string | undefined;
}

const FILE_NAMES = ["sallyport.config.json", "sallyport.config.mjs", "sallyport.config.ts"];

/** @throws {SallyportError} CONFIG_INVALID or ENVIRONMENT_INVALID with every problem found */
export async function loadConfig(asked: ConfigRequest): Promise<ParsedConfig> {
  const file = findFile(asked);
  const input = await readConfig(file);
  const problems = findProblems(configSchema, input);
  if (problems.length > 0)
    throw invalid(file, [...problems, ...environmentProblems(asked.environment, input)]);

  const config = input as Config;
  const directory = dirname(file);
  const settings = parseSettings(config.settings, problems);
  const admin = parseAdmin(config.admin, directory, settings, problems);
  const database = parseDatabase(config.database, directory, settings, problems);
  const warm = config.warm === undefined ? undefined : resolve(directory, config.warm);
  if (warm !== undefined && !existsSync(warm))
    problems.push({ subject: "warm", message: `there is no file ${warm}` });
  const app = parseApp(config.app, asked, directory, problems);
  const times = parseTimes(config, problems);
  const unknown = environmentProblems(asked.environment, config);
  if (problems.length > 0) throw invalid(file, [...problems, ...unknown]);
  if (unknown[0]) {
    throw new SallyportError("ENVIRONMENT_INVALID", `ENVIRONMENT ${unknown[0].message}`, {
      hint: `Set ENVIRONMENT on the container to one of the keys of "secrets" in ${file}.`,
      problems: unknown,
    });
  }
  const environment = asked.environment as string;
  return {
    environment,
    source: config.secrets[environment] as SecretsSource,
    directory,
    app,
    settings,
    database,
    warm,
    guard: parseGuard(config.guard),
    harden: config.harden ?? false,
    admin,
    ...times,
  };
}

/** Only `admin.socket`, for those who ask a running container; the rest of the file is that container's business. */
export async function loadAdminSocket(
  asked: Pick<ConfigRequest, "cwd" | "file">,
): Promise<string | undefined> {
  const file = findFile(asked);
  const input = (await readConfig(file)) as { admin?: { socket?: unknown } } | null;
  const socket = input?.admin?.socket;
  return typeof socket === "string" ? resolve(dirname(file), socket) : undefined;
}

type Times = Pick<ParsedConfig, (`${string}TimeoutMs` & keyof ParsedConfig) | "drainDelayMs">;

function parseTimes(config: Config, problems: Problem[]): Times {
  const { shutdownTimeout = "25s", drainDelay } = config;
  const toMs = (text: string) => parseDuration(text) as number; // the schema has seen it
  const shutdownTimeoutMs = toMs(shutdownTimeout);
  const drainDelayMs = drainDelay === undefined ? undefined : toMs(drainDelay);
  if (drainDelayMs !== undefined && drainDelayMs >= shutdownTimeoutMs) {
    problems.push({
      subject: "drainDelay",
      message: `must be shorter than shutdownTimeout (${shutdownTimeout}), which it is a part of`,
    });
  }
  return {
    bootTimeoutMs: toMs(config.bootTimeout ?? "120s"),
    shutdownTimeoutMs,
    drainDelayMs,
    refreshTimeoutMs: toMs(config.refreshTimeout ?? "30s"),
    poolDrainTimeoutMs: toMs(config.poolDrainTimeout ?? "60s"),
  };
}

function findFile({ cwd, file }: Pick<ConfigRequest, "cwd" | "file">): string {
  if (file !== undefined) return resolve(cwd, file);
  const present = FILE_NAMES.filter((name) => existsSync(resolve(cwd, name)));
  if (present.length > 1) {
    throw new SallyportError("CONFIG_INVALID", `${cwd} holds ${present.join(" and ")}: which one counts?`, {
      hint: "Keep one of them, or name one with --config FILE.",
    });
  }
  if (!present[0]) {
    throw new SallyportError("CONFIG_INVALID", `there is no config file in ${cwd}`, {
      hint: `Write ${FILE_NAMES[0]} there (or .mjs, .ts) and copy it into the image, or name one with --config FILE.`,
    });
  }
  return resolve(cwd, present[0]);
}

async function readConfig(file: string): Promise<unknown> {
  try {
    if (file.endsWith(".json")) return JSON.parse(readFileSync(file, "utf8").replace(/^\uFEFF/, ""));
    const module = (await import(pathToFileURL(file).href)) as { default?: unknown };
    if (module.default !== undefined) return module.default;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new SallyportError("CONFIG_INVALID", `${file} can't be read: ${why}`, {
      hint: "A .json config is plain JSON without comments; .mjs and .ts export the config as default.",
      cause: error,
    });
  }
  throw new SallyportError("CONFIG_INVALID", `${file} has no default export`, {
    hint: "Write: export default defineConfig({ … }).",
  });
}

/** Works on input that the schema refused, too, so that one run reports both. */
function environmentProblems(environment: string | undefined, input: unknown): Problem[] {
  const { secrets } = (input ?? {}) as { secrets?: object };
  const known = secrets && typeof secrets === "object" ? Object.keys(secrets) : [];
  const at = (message: string): Problem[] => [{ subject: "ENVIRONMENT", message }];
  if (!environment) return at(`is not set${suggestion("", known)}`);
  return known.includes(environment)
    ? []
    : at(`is '${environment}', which the config doesn't have${suggestion(environment, known)}`);
}

function parseApp(
  app: Config["app"],
  asked: ConfigRequest,
  directory: string,
  problems: Problem[],
): AppConfig | undefined {
  const declared = typeof app === "object" ? { ready: "listening" as const, ...app } : undefined;
  const path = asked.app !== undefined ? resolve(asked.cwd, asked.app) : (declared?.wrap ?? app);
  if (typeof path !== "string") return undefined;
  const absolute = resolve(directory, path);
  if (!existsSync(absolute)) problems.push({ subject: "app", message: `there is no file ${absolute}` });
  // An app named only on the command line is a server as it is, just as `node app` would take it.
  return { path: absolute, wrap: typeof app !== "string", ready: declared?.ready ?? "listening" };
}

function invalid(file: string, problems: readonly Problem[]): SallyportError {
  const count = problems.length === 1 ? "a problem" : `${problems.length} problems`;
  return new SallyportError("CONFIG_INVALID", `${file} has ${count}`, {
    hint: "Correct the config file and build the image again.",
    problems,
  });
}
