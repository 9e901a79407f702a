/** AWS Secrets Manager: what is asked for, in the fewest calls, through one client a region. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { SecretsManagerClient, type SecretsManagerClientConfig } from "@aws-sdk/client-secrets-manager";
import type { AwsCredentialIdentity } from "@aws-sdk/types";
import { abortable } from "../../abort.ts";
import type { SecretRef } from "../../config/address.ts";
import { retry, TransientError } from "../../retry.ts";
import { type Payload, pick } from "../payload.ts";
import type { ProviderContext, RefProblem, SecretProvider, SecretSet } from "../secret-provider.ts";
import { endpointFor } from "./endpoint.ts";
import { findIdentity, type IdentitySource } from "./identity.ts";
import { type ReadOptions, readSecrets, type Wanted } from "./read.ts";

export interface SecretsManagerSource {
  readonly prefix: string | undefined;
  readonly region: string;
}

const IDENTITY_TIMEOUT_MS = 5_000;

export function openSecretsManager(
  { prefix, region }: SecretsManagerSource,
  context: ProviderContext,
): SecretProvider {
  const { env, log } = context;
  const title = `Secrets Manager in ${region}`;
  let credentials: AwsCredentialIdentity | undefined;
  const clients = new Map<string, SecretsManagerClient>();
  const clientIn = (region: string): SecretsManagerClient => {
    const open = clients.get(region);
    if (open) return open;
    const client = new SecretsManagerClient({
      region,
      credentials: async () => credentials as AwsCredentialIdentity,
      ...endpointFor("SECRETS_MANAGER", env),
      ...optionsIn(env),
      maxAttempts: 1, // retry() is the one policy, and it obeys the boot's signal
    });
    // It looks through all values for what to leave out of a log that nobody keeps.
    client.middlewareStack.remove("loggerMiddleware");
    clients.set(region, client);
    return client;
  };

  return {
    title,
    async identify(signal) {
      const source = findIdentity(env, region, log);
      // What takes time to make is made while the credentials are on their way; what is wrong with it is said when it is used.
      nextTurn()
        .then(() => clientIn(region))
        .catch(() => {});
      credentials = await retry(() => resolveOnce(source, signal), {
        target: source.title,
        signal,
        log,
      });
      context.hide?.("AWS_SECRET_ACCESS_KEY", credentials.secretAccessKey);
      context.hide?.("AWS_SESSION_TOKEN", credentials.sessionToken);
      return `${source.title} (key ${credentials.accessKeyId})`;
    },
    async fetch(refs, signal) {
      const groups = groupRefs(refs, prefix, region);
      const read = await readSecrets([...groups.keys()], {
        clientIn,
        title,
        signal,
        ...context,
      } satisfies ReadOptions);
      return { ...read, answers: answerRefs(groups, read.payloads) };
    },
    close() {
      for (const client of clients.values()) client.destroy();
    },
  };
}

/** What the SDK would look for in `~/.aws`, too, which no container has. */
function optionsIn(env: ProviderContext["env"]): SecretsManagerClientConfig {
  return {
    useFipsEndpoint: env.AWS_USE_FIPS_ENDPOINT === "true",
    useDualstackEndpoint: env.AWS_USE_DUALSTACK_ENDPOINT === "true",
    userAgentAppId: async () => env.AWS_SDK_UA_APP_ID,
    authSchemePreference: [],
    retryMode: "standard",
    defaultsMode: "legacy",
  };
}

/** The SDK's credential providers take no signal, and wait for an answer without end. */
async function resolveOnce(source: IdentitySource, signal: AbortSignal): Promise<AwsCredentialIdentity> {
  const late = AbortSignal.timeout(IDENTITY_TIMEOUT_MS);
  try {
    return await abortable(source.resolve(), AbortSignal.any([signal, late]));
  } catch (error) {
    if (error === late.reason) throw new TransientError("no answer in time", { cause: error });
    throw error;
  }
}

function groupRefs(
  refs: readonly SecretRef[],
  prefix: string | undefined,
  region: string,
): Map<Wanted, SecretRef[]> {
  const groups = new Map<string, [Wanted, SecretRef[]]>();
  for (const ref of refs) {
    const wanted = locate(ref, prefix, region);
    const key = JSON.stringify(wanted);
    const group = groups.get(key) ?? [wanted, []];
    group[1].push(ref);
    groups.set(key, group);
  }
  return new Map(groups.values());
}

const LABELS: Readonly<Record<string, string>> = {
  current: "AWSCURRENT",
  previous: "AWSPREVIOUS",
  pending: "AWSPENDING",
};

function locate(ref: SecretRef, prefix: string | undefined, region: string): Wanted {
  const name = ref.kind === "address" ? ref.folder : ref.id;
  const isArn = name.startsWith("arn:");
  return {
    id: isArn ? name : [prefix, name].filter(Boolean).join("/"),
    stage: LABELS[ref.stage] ?? ref.stage,
    version: ref.version,
    region: (isArn && name.split(":")[3]) || region,
  };
}

function answerRefs(
  groups: Map<Wanted, SecretRef[]>,
  payloads: ReadonlyMap<Wanted, Payload | RefProblem>,
): SecretSet["answers"] {
  const answers = [...groups].flatMap(([wanted, refs]) => {
    const payload = payloads.get(wanted) as Payload | RefProblem;
    return refs.map((ref) => {
      const key = ref.kind === "address" ? ref.name : ref.key;
      return [ref, "content" in payload ? pick(payload, wanted.id, key) : payload] as const;
    });
  });
  return new Map(answers);
}
