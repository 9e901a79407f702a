/** The spine. Every room opens onto it; each line takes the result of those before it. */
import { abortable } from "./abort.ts";
import { openAdmin } from "./admin/admin.ts";
import { createHealth } from "./admin/health.ts";
import { openApp } from "./app/app.ts";
import { type Context, createContext, createRunner, type HealthCheck } from "./app/context.ts";
import type { RunningApp } from "./app/running-app.ts";
import { warmUp } from "./app/warm.ts";
import type { ParsedConfig } from "./config/config.ts";
import { SallyportError } from "./errors.ts";
import { type BootRequest, fetchSettings, openConfig } from "./load.ts";
import { prepareDatabase } from "./prepare.ts";
import { createSettings, type SettingValues } from "./settings/settings.ts";
import type { Closer, StopCause } from "./shutdown.ts";
import { enter } from "./status.ts";
import { type Boot, startDeadline, step, type World } from "./step.ts";

/** From an image without a shell to a running app. @throws {SallyportError} with everything that is wrong */
export async function boot(request: BootRequest, world: World): Promise<ParsedConfig> {
  const { log, status, closers } = world;
  const started = performance.now();
  const config = await openConfig(request, world);
  if (!config.app) throw noApp();
  const boot: Boot = { ...world, deadline: startDeadline(config.bootTimeoutMs, world.signal) };

  let values: SettingValues = new Map();
  const checks = new Map<string, HealthCheck>();
  await openDoors(config, boot, checks, (name) => values.get(name)?.text);
  values = await fetchSettings(config, boot);
  // Between settings and database: guard.

  const settings = createSettings(config.settings, () => values);
  const readText = (name: string) => values.get(name)?.text;
  const context = openContext(boot, checks);
  if (config.database)
    await prepareDatabase(
      config.database,
      { directory: config.directory, readText, settings, log: context.log },
      boot,
    );
  await warm(config, settings, context, boot);
  const app = await startApp(config, { args: request.args, settings, readText, context }, boot);
  closers.push({ name: "the app", close: () => app.close(signalOf(world.signal.reason)) });

  enter(status, "ready");
  const ms = Math.round(performance.now() - started);
  log("info", "boot.completed", `ready in ${ms} ms`, { ms, phases: status.timings });
  return config;
}

/** Up to and including the schema check: a release task of its own. */
export async function migrateOnly(request: BootRequest, world: World): Promise<void> {
  const config = await openConfig(request, world);
  if (!config.database?.folder && !config.database?.module) throw noDatabase();
  const boot: Boot = { ...world, deadline: startDeadline(config.bootTimeoutMs, world.signal) };
  // While it migrates it can be asked how far it is.
  await openDoors(config, boot, new Map(), () => undefined);
  const values = await fetchSettings(config, boot);
  const settings = createSettings(config.settings, () => values);
  const context = openContext(boot, new Map());
  const options = {
    directory: config.directory,
    readText: (name: string) => values.get(name)?.text,
    settings,
    log: context.log,
  };
  await prepareDatabase({ ...config.database, mode: "run" }, options, boot);
}

/** The admin server is there before anything takes long, so that a slow migration is visible. */
async function openDoors(
  config: ParsedConfig,
  { status, cwd, log, closers }: Boot,
  checks: ReadonlyMap<string, HealthCheck>,
  readText: (name: string) => string | undefined,
): Promise<void> {
  const health = createHealth(status, createRunner(checks));
  const token = () => (config.admin.token ? readText(config.admin.token) : undefined);
  const admin = await openAdmin({ config: config.admin, cwd, log, token, ...health });
  closers.push({ name: "the admin server", close: admin.close });
}

function openContext({ signal, log, closers }: Boot, checks: Map<string, HealthCheck>): Context {
  const hooks: Closer[] = [];
  // Unfolded when its turn comes: one that is registered late, too, runs after the app's own close.
  closers.push({ name: "the app's shutdown functions", close: () => void closers.push(...hooks) });
  const onShutdown = (name: string, close: () => unknown) => void hooks.push({ name, close });
  return createContext({ signal, log, onShutdown, checks });
}

async function warm(
  { warm: path }: ParsedConfig,
  settings: object,
  context: Context,
  boot: Boot,
): Promise<void> {
  if (path === undefined) return;
  await step(
    boot,
    "warm",
    () => abortable(warmUp(path, settings, context), boot.deadline.signal),
    () => path,
  );
}

interface AppParts {
  readonly args: readonly string[];
  readonly settings: object;
  readonly readText: (name: string) => string | undefined;
  readonly context: Context;
}

function startApp(config: ParsedConfig, parts: AppParts, boot: Boot): Promise<RunningApp> {
  const app = config.app as NonNullable<ParsedConfig["app"]>;
  const names = config.settings.map(({ name }) => name);
  const open = () => abortable(openApp({ ...app, ...parts, names }), boot.deadline.signal);
  return step(boot, "app", open, () => app.path);
}

function noApp(): SallyportError {
  return new SallyportError("CONFIG_INVALID", "there is no app to start", {
    hint: 'Name it in the config ("app": "./server.mjs", or { "wrap": "./server.js" }) or on the command line.',
  });
}

function noDatabase(): SallyportError {
  return new SallyportError("CONFIG_INVALID", "there is no database to migrate", {
    hint: 'Say in the config where it is: "database": { "url": "DATABASE_URL", "migrations": "./migrations" }.',
  });
}

function signalOf(reason: unknown): NodeJS.Signals | undefined {
  const cause = reason as StopCause | undefined;
  return cause?.kind === "signal" ? cause.signal : undefined;
}
