/** The corridor's first half: config, identity, fetch, settings. */
import { abortable } from "./abort.ts";
import { loadBootstrap } from "./bootstrap/bootstrap.ts";
import { loadConfig, type ParsedConfig } from "./config/config.ts";
import { isPlain, type SettingSpec } from "./config/settings.ts";
import { SallyportError } from "./errors.ts";
import { closeDebugSignal } from "./guard/guard.ts";
import { harden } from "./guard/harden.ts";
import type { Mask } from "./guard/mask.ts";
import { bootstrapNames, checkRefs, openProvider } from "./provider/provider.ts";
import type { SecretProvider, SecretSet } from "./provider/secret-provider.ts";
import { Secret } from "./secret.ts";
import { type SettingValues, validateSettings } from "./settings/settings.ts";
import { type Boot, step, type World } from "./step.ts";

export interface BootRequest {
  /** From `--config`. */
  readonly config: string | undefined;
  readonly app: string | undefined;
  readonly args: readonly string[];
}

export async function openConfig(request: BootRequest, world: World): Promise<ParsedConfig> {
  const describe = ({ settings, environment }: ParsedConfig) =>
    `${plural(settings.length, "setting")} for ${environment}`;
  const config = await step(world, "config", () => readConfig(request, world), describe);
  world.status.shutdownTimeoutMs = config.shutdownTimeoutMs;
  if (config.guard.mode !== "off" && !config.guard.allow.includes("SIGUSR1")) closeDebugSignal(world.log);
  return config;
}

async function readConfig(
  { config: file, app }: BootRequest,
  { cwd, env, replace }: World,
): Promise<ParsedConfig> {
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
  if (config.harden) harden({ env, confidential: bootstrapNames(config.source), replace });
  return config;
}

/** @throws {SallyportError} with everything that is missing or wrong */
export async function fetchSettings(config: ParsedConfig, boot: Boot): Promise<SettingValues> {
  const { log, mask, status, deadline } = boot;
  const { provider, identity } = await step(
    boot,
    "identity",
    () => identify(config, boot),
    (it) => it.identity,
  );
  try {
    const refs = config.settings.flatMap((spec) => spec.refs);
    const fetched = await step(boot, "fetch", () => provider.fetch(refs, deadline.signal), describeFetch);
    for (const { name, version, ms } of fetched.reads) {
      log("info", "secret.fetched", name, { name, version, provider: provider.title, identity, ms });
    }
    hideValues(config.settings, fetched.answers, mask);
    const validate = () => abortable(validateSettings(config.settings, fetched.answers), deadline.signal);
    const values = await step(boot, "settings", validate, describeValues);
    // A validator may have made something else of it.
    hideHeld(config.settings, values, mask);
    const summary = { settings: values.size, secrets: fetched.reads.length, requests: fetched.requests };
    status.fetched = { at: new Date().toISOString(), provider: provider.title, identity, ...summary };
    return values;
  } finally {
    provider.close();
  }
}

/** Before anything looks at them: a validator may throw what it was given. */
function hideValues(specs: readonly SettingSpec[], answers: SecretSet["answers"], mask: Mask): void {
  for (const spec of specs.filter(({ secret }) => secret)) {
    for (const ref of spec.refs) {
      const answer = answers.get(ref);
      if (isPlain(spec)) mask.exempt(spec.name);
      else if (answer instanceof Secret) mask.add(spec.name, answer.reveal());
    }
  }
}

/** What is in use, or will be: its text, and what the app reads. */
export function hideHeld(specs: readonly SettingSpec[], values: SettingValues, mask: Mask): void {
  for (const spec of specs) {
    const held = values.get(spec.name);
    if (!held || !spec.secret || isPlain(spec)) continue;
    for (const it of new Set([held.text, held.value])) mask.add(spec.name, it);
  }
}

async function identify(
  { source, directory }: ParsedConfig,
  { env, handedOver, log, mask, forget, deadline }: Boot,
): Promise<{ provider: SecretProvider; identity: string }> {
  // The platform's own, which opens the role's credentials.
  mask.add("AWS_CONTAINER_AUTHORIZATION_TOKEN", env.AWS_CONTAINER_AUTHORIZATION_TOKEN);
  const bootstrap = await loadBootstrap(bootstrapNames(source), { env: { ...env, ...handedOver }, log });
  for (const [name, secret] of bootstrap) {
    mask.add(name, secret.reveal());
    forget(name);
  }
  const provider = await openProvider(source, { env, directory, bootstrap, log, hide: mask.add });
  return { provider, identity: await provider.identify(deadline.signal) };
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

function describeFetch({ reads, requests }: SecretSet): string {
  return `${plural(reads.length, "secret")} in ${plural(requests, "request")}`;
}

function describeValues(values: SettingValues): string {
  return `${[...values.values()].filter(({ text }) => text !== undefined).length} of ${values.size} set`;
}
