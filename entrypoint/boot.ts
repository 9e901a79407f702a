/** The spine. Every room opens onto it; each line takes the result of those before it. */
import { abortable } from "./abort.ts";
import { openApp } from "./app/app.ts";
import type { Context } from "./app/context.ts";
import type { RunningApp } from "./app/running-app.ts";
import { warmUp } from "./app/warm.ts";
import type { ParsedConfig } from "./config/config.ts";
import { openDoors } from "./doors.ts";
import { SallyportError } from "./errors.ts";
import { type BootRequest, fetchSettings, openConfig } from "./load.ts";
import type { StopCause } from "./shutdown.ts";
import { enter } from "./status.ts";
import { type Boot, startDeadline, step, type World } from "./step.ts";
import { checkSurroundings } from "./surroundings.ts";

/** From an image without a shell to a running app. @throws {SallyportError} with everything that is wrong */
export async function boot(request: BootRequest, world: World): Promise<ParsedConfig> {
  const { log, status, closers } = world;
  const started = performance.now();
  const config = await openConfig(request, world);
  if (!config.app) throw noApp();
  const boot: Boot = { ...world, deadline: startDeadline(config.bootTimeoutMs, world.signal) };

  const { live, context } = await openDoors(config, boot);
  const { settings, readText } = live;
  live.swap(await fetchSettings(config, boot));
  await checkSurroundings(config, boot);

  if (config.database) {
    const { prepareDatabase } = await import("./prepare.ts");
    const options = { directory: config.directory, readText, settings, log: context.log };
    await prepareDatabase(config.database, options, boot);
  }
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
  const { live, context } = await openDoors(config, boot);
  const { settings, readText } = live;
  live.swap(await fetchSettings(config, boot));
  await checkSurroundings(config, boot);
  const { prepareDatabase } = await import("./prepare.ts");
  const options = { directory: config.directory, readText, settings, log: context.log };
  await prepareDatabase({ ...config.database, mode: "run" }, options, boot);
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
