/** The spine. Every room opens onto it; each line takes the result of those before it. */
import { abortable, isTimeout } from "./abort.ts";
import { openAdmin } from "./admin/admin.ts";
import { createHealth } from "./admin/health.ts";
import { openApp } from "./app/app.ts";
import { createContext, type HealthCheck, runChecks } from "./app/context.ts";
import type { RunningApp } from "./app/running-app.ts";
import { loadBootstrap } from "./bootstrap/bootstrap.ts";
import { loadConfig, type ParsedConfig } from "./config/config.ts";
import { SallyportError } from "./errors.ts";
import type { Mask } from "./guard/mask.ts";
import type { Log } from "./log.ts";
import { bootstrapNames, checkRefs, openProvider } from "./provider/provider.ts";
import type { SecretProvider, SecretSet } from "./provider/secret-provider.ts";
import { createSettings, type SettingValues, validateSettings } from "./settings/settings.ts";
import type { Closer, StopCause } from "./shutdown.ts";
import { enter, type Phase, type Status } from "./status.ts";

/** What the process hands in. */
export interface World {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly log: Log;
  readonly mask: Mask;
  readonly status: Status;
  /** Aborted when the process is asked to stop. */
  readonly signal: AbortSignal;
  /** Whatever has been opened, in order. */
  readonly closers: Closer[];
  /** Deletes a variable from the real environment. */
  forget(name: string): void;
}

export interface BootRequest {
  /** From `--config`. */
  readonly config: string | undefined;
  readonly app: string | undefined;
  readonly args: readonly string[];
}

/** From an image without a shell to a running app. @throws {SallyportError} with everything that is wrong */
export async function boot(request: BootRequest, world: World): Promise<{ config: ParsedConfig }> {
  const { log, status, signal: stop, closers } = world;
  const started = performance.now();
  const config = await step(world, "config", () => readConfig(request, world), describeConfig);
  if (!config.app) throw noApp();
  const signal = AbortSignal.any([stop, AbortSignal.timeout(config.bootTimeoutMs)]);

  let values: SettingValues = new Map();
  const checks = new Map<string, HealthCheck>();
  const token = () => (config.admin.token ? values.get(config.admin.token)?.text : undefined);
  const health = createHealth(status, () => runChecks(checks));
  const admin = await openAdmin({ config: config.admin, cwd: world.cwd, log, token, ...health });
  closers.push({ name: "the admin server", close: admin.close });

  values = await fetchSettings(config, world, signal);
  // Between the settings and the app: guard, database, migrate, schema, warm.

  const hooks: Closer[] = [];
  // Unfolded when its turn comes: one that is registered late, too, runs after the app's own close.
  closers.push({ name: "the app's shutdown functions", close: () => void closers.push(...hooks) });
  const app = await step(
    world,
    "app",
    () => startApp(config, request, { ...world, checks, hooks, bootSignal: signal }, () => values),
    () => config.app?.path ?? "",
  );
  closers.push({ name: "the app", close: () => app.close(signalOf(stop.reason)) });

  enter(status, "ready");
  const ms = Math.round(performance.now() - started);
  log("info", "boot.completed", `ready in ${ms} ms`, { ms, phases: status.timings });
  return { config };
}

/** All that can be found wrong without starting anything. */
export async function check(request: BootRequest, world: World): Promise<void> {
  const config = await step(world, "config", () => readConfig(request, world), describeConfig);
  await fetchSettings(
    config,
    world,
    AbortSignal.any([world.signal, AbortSignal.timeout(config.bootTimeoutMs)]),
  );
}

async function fetchSettings(
  config: ParsedConfig,
  world: World,
  signal: AbortSignal,
): Promise<SettingValues> {
  const { log, mask, status } = world;
  const { provider, identity } = await step(
    world,
    "identity",
    () => identify(config, world, signal),
    (it) => it.identity,
  );
  try {
    const refs = config.settings.flatMap((spec) => spec.refs);
    const fetched = await step(world, "fetch", () => provider.fetch(refs, signal), describeFetch);
    for (const { name, version, ms } of fetched.reads) {
      log("info", "secret.fetched", name, { name, version, provider: provider.title, identity, ms });
    }
    const values = await step(
      world,
      "settings",
      () => abortable(validateSettings(config.settings, fetched.answers), signal),
      (it) => `${[...it.values()].filter(({ text }) => text !== undefined).length} of ${it.size} set`,
    );
    for (const { name, secret } of config.settings) {
      const held = values.get(name);
      if (secret) for (const value of [held?.text, held?.value]) mask.add(name, value);
    }
    const { requests, reads } = fetched;
    const summary = { settings: values.size, secrets: reads.length, requests };
    status.fetched = { at: new Date().toISOString(), provider: provider.title, identity, ...summary };
    return values;
  } finally {
    provider.close();
  }
}

async function readConfig({ config: file, app }: BootRequest, { cwd, env }: World): Promise<ParsedConfig> {
  const config = await loadConfig({ cwd, file, app, environment: env.ENVIRONMENT });
  const refs = config.settings.flatMap((spec) => spec.refs);
  const problems = checkRefs(config.source, refs, env);
  if (problems.length > 0) {
    const code = problems.every(({ subject }) => subject === "REGION")
      ? "ENVIRONMENT_INVALID"
      : "CONFIG_INVALID";
    throw new SallyportError(code, `${config.source.provider} can't answer what the config asks for`, {
      hint: "Correct what is listed.",
      problems,
    });
  }
  return config;
}

async function identify(
  { source, directory }: ParsedConfig,
  { env, log, mask, forget }: World,
  signal: AbortSignal,
): Promise<{ provider: SecretProvider; identity: string }> {
  const names = bootstrapNames(source);
  const bootstrap = await loadBootstrap(names, { env, log });
  for (const [name, secret] of bootstrap) {
    mask.add(name, secret.reveal());
    forget(name);
  }
  const provider = await openProvider(source, { env, directory, bootstrap, log });
  return { provider, identity: await provider.identify(signal) };
}

function startApp(
  config: ParsedConfig,
  { args }: BootRequest,
  world: World & { checks: Map<string, HealthCheck>; hooks: Closer[]; bootSignal: AbortSignal },
  current: () => SettingValues,
): Promise<RunningApp> {
  const { log, signal, hooks, checks, bootSignal } = world;
  const onShutdown = (name: string, close: () => unknown) => void hooks.push({ name, close });
  const request = {
    ...(config.app as NonNullable<ParsedConfig["app"]>),
    args,
    settings: createSettings(config.settings, current),
    names: config.settings.map(({ name }) => name),
    readText: (name: string) => current().get(name)?.text,
    context: createContext({ signal, log, onShutdown, checks }),
  };
  return abortable(openApp(request), bootSignal);
}

/** Runs one phase: its time, its line in the log, and the moment at which a stop or the deadline ends the boot. */
async function step<T>(
  world: World,
  phase: Phase,
  work: () => Promise<T>,
  describe: (result: T) => string,
): Promise<T> {
  const { log, status, signal } = world;
  enter(status, phase);
  const started = performance.now();
  const elapsed = () => Math.round(performance.now() - started);
  try {
    signal.throwIfAborted();
    // A stop does not wait for work that hangs.
    const result = await abortable(work(), signal);
    status.timings[phase] = elapsed();
    log("info", "phase.completed", describe(result), { phase, ms: elapsed() });
    return result;
  } catch (thrown) {
    const error = isTimeout(thrown) ? tooLate(phase) : thrown;
    if (error instanceof SallyportError) log("error", "phase.failed", error.code, { phase, ms: elapsed() });
    throw error;
  }
}

function tooLate(phase: Phase): SallyportError {
  const hint =
    phase === "app"
      ? 'Is start() waiting for something? A wrapped app counts as ready when it listens; one that serves no port says "ready": "loaded".'
      : "Raise bootTimeout if this is the time it takes.";
  return new SallyportError("BOOT_TIMEOUT", `bootTimeout passed in phase ${phase}`, { hint });
}

function noApp(): SallyportError {
  return new SallyportError("CONFIG_INVALID", "there is no app to start", {
    hint: 'Name it in the config ("app": "./server.mjs", or { "wrap": "./server.js" }) or on the command line.',
  });
}

function signalOf(reason: unknown): NodeJS.Signals | undefined {
  const cause = reason as StopCause | undefined;
  return cause?.kind === "signal" ? cause.signal : undefined;
}

function describeConfig({ settings, environment }: ParsedConfig): string {
  return `${settings.length} settings for ${environment}`;
}

function describeFetch({ reads, requests }: SecretSet): string {
  const plural = (count: number, word: string) => `${count} ${word}${count === 1 ? "" : "s"}`;
  return `${plural(reads.length, "secret")} in ${plural(requests, "request")}`;
}
