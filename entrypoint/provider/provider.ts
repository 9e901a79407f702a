/** The provider room: the interface that every secrets manager is adapted to, and the table of those we have. */
import type { SecretRef } from "../config/address.ts";
import type { SecretsSource } from "../config/types.ts";
import type { Problem } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Secret } from "../secret.ts";

/**
 * One login and one fetch; a refresh opens a new one.
 *
 * For implementers: take the environment and every path from the context, never from `process`. Don't repair what you
 * are given; a ref that can't be answered is a problem of its own, never an exception. Throw only when nothing can be
 * answered, as a `SallyportError`: IDENTITY_REFUSED, MANAGER_UNREACHABLE, MANAGER_ANSWER_INVALID. Decide by the vendor's error
 * code, not by HTTP status. Try again only what `TransientError` stands for, and a refused login never. No vendor text
 * goes into a message: it may quote values. Stop promptly when the signal is aborted.
 */
export interface SecretProvider {
  /** For messages: `Secrets Manager in eu-west-1`. */
  readonly title: string;
  /** Proves who we are. Returns that identity in a form that is safe to log. */
  identify(signal: AbortSignal): Promise<string>;
  /** Answers every ref, in as few requests as the vendor allows. */
  fetch(refs: readonly SecretRef[], signal: AbortSignal): Promise<SecretSet>;
  close(): void;
}

export interface SecretSet {
  /** Has each ref that was asked for. */
  readonly answers: ReadonlyMap<SecretRef, Secret | RefProblem>;
  /** One for each secret (not each ref) that was read, for the audit trail. */
  readonly reads: readonly SecretRead[];
  readonly requests: number;
}

export interface RefProblem {
  readonly kind: "missing" | "denied" | "invalid";
  /** Goes on from the setting's name: `no secret shop/production/database in eu-west-1`. */
  readonly message: string;
}

export interface SecretRead {
  readonly name: string;
  readonly version: string | undefined;
  readonly ms: number;
}

export interface ProviderContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute; relative paths in the config start here. */
  readonly directory: string;
  /** What the table asks for, read from files on tmpfs. */
  readonly bootstrap: ReadonlyMap<string, Secret>;
  readonly log: Log;
  /** How long one try may take, in milliseconds. Default 10 s. */
  readonly attemptTimeoutMs?: number;
}

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
