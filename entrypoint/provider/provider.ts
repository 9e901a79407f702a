/** The provider room: the table of the secrets managers that we have an adapter for. */
import type { SecretRef } from "../config/address.ts";
import type { SecretsSource } from "../config/types.ts";
import type { Problem } from "../errors.ts";
import type { ProviderContext, SecretProvider } from "./secret-provider.ts";

interface Entry<Source extends SecretsSource> {
  /** The values that it takes to log in. */
  readonly bootstrap: readonly string[];
  /** What this source can't answer, found before anything is fetched. */
  check(source: Source, refs: readonly SecretRef[], env: ProviderContext["env"]): Problem[];
  open(source: Source, context: ProviderContext): Promise<SecretProvider>;
}

type Table = {
  readonly [Name in SecretsSource["provider"]]: Entry<Extract<SecretsSource, { provider: Name }>>;
};

const PROVIDERS: Table = {
  "aws-secrets-manager": {
    bootstrap: [],
    check: ({ prefix }, refs, env) => [
      ...(regionOf(env)
        ? []
        : [{ subject: "REGION", message: "is not set; Secrets Manager needs it (AWS_REGION will do)" }]),
      ...problemsOf(refs, (ref) => {
        if (ref.kind === "address" && !ref.folder && !prefix)
          return "has no folder, and the source has no prefix: which secret?";
        return undefined;
      }),
    ],
    open: async ({ prefix }, context) => {
      const { openSecretsManager } = await import("./aws/aws.ts");
      return openSecretsManager({ prefix, region: regionOf(context.env) as string }, context);
    },
  },
  infisical: {
    bootstrap: ["INFISICAL_URL", "INFISICAL_PROJECT_ID", "INFISICAL_CLIENT_ID", "INFISICAL_CLIENT_SECRET"],
    check: (_source, refs) =>
      problemsOf(refs, (ref) => {
        if (ref.stage !== "current") {
          return "Infisical numbers edits and keeps no stages; keep the older value under a name of its own";
        }
        if (ref.version && !/^\d+$/.test(ref.version)) return "a version in Infisical is a number";
        return arnProblem(ref);
      }),
    open: async ({ environment }, context) => {
      const { openInfisical } = await import("./infisical/infisical.ts");
      return openInfisical(environment, context);
    },
  },
  files: {
    bootstrap: [],
    check: (_source, refs) =>
      problemsOf(refs, (ref) => {
        if (ref.version) return "files have no versions";
        if (ref.stage !== "current" && ref.stage !== "previous")
          return "files have the stages current and previous";
        return arnProblem(ref);
      }),
    open: async ({ directory }, context) => {
      const { openFiles } = await import("./files.ts");
      return openFiles(directory, context);
    },
  },
};

/** The bootstrap values that this source needs. */
export function bootstrapNames({ provider }: SecretsSource): readonly string[] {
  return PROVIDERS[provider].bootstrap;
}

/** Everything in the config that this source can't answer, whatever the manager holds. */
export function checkRefs(
  source: SecretsSource,
  refs: readonly SecretRef[],
  env: ProviderContext["env"],
): Problem[] {
  return entryOf(source).check(source, refs, env);
}

export async function openProvider(source: SecretsSource, context: ProviderContext): Promise<SecretProvider> {
  const provider = await entryOf(source).open(source, context);
  return {
    ...provider,
    fetch: (refs, signal) => endingTogether(signal, (inner) => provider.fetch(refs, inner)),
  };
}

/** When one of several parallel reads ends the fetch, the others must not go on trying behind its back. */
async function endingTogether<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const end = new AbortController();
  try {
    return await work(AbortSignal.any([signal, end.signal]));
  } finally {
    end.abort();
  }
}

// The table ties each source to its own entry; TypeScript can't follow that through a lookup by union.
function entryOf({ provider }: SecretsSource): Entry<SecretsSource> {
  return PROVIDERS[provider] as Entry<SecretsSource>;
}

function regionOf({ REGION, AWS_REGION }: ProviderContext["env"]): string | undefined {
  return REGION || AWS_REGION || undefined;
}

function problemsOf(refs: readonly SecretRef[], fault: (ref: SecretRef) => string | undefined): Problem[] {
  return refs.flatMap((ref) => {
    const message = fault(ref);
    return message === undefined ? [] : [{ subject: ref.text, message }];
  });
}

function arnProblem(ref: SecretRef): string | undefined {
  return ref.kind === "secret" && ref.id.startsWith("arn:")
    ? "is an ARN, which only AWS understands"
    : undefined;
}
