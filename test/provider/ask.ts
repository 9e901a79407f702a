/** Opens a provider, logs in and fetches: what most tests of a provider do. */
import assert from "node:assert/strict";
import { parseAddress } from "../../entrypoint/config/address.ts";
import type { SecretLocation, SecretsSource } from "../../entrypoint/config/types.ts";
import type { LogFields } from "../../entrypoint/log.ts";
import { openProvider } from "../../entrypoint/provider/provider.ts";
import type { RefProblem, SecretRead } from "../../entrypoint/provider/secret-provider.ts";
import { Secret, type SecretValue } from "../../entrypoint/secret.ts";

export type Asked = readonly (string | SecretLocation)[];

export interface AskContext {
  readonly env?: Record<string, string>;
  readonly bootstrap?: Readonly<Record<string, string>>;
  readonly directory?: string;
  /** Between login and fetch. */
  readonly between?: () => void;
}

export interface Told {
  readonly identity: string;
  /** Revealed, by the text of the ref. */
  readonly values: Readonly<Record<string, SecretValue>>;
  readonly secrets: readonly Secret[];
  readonly problems: readonly RefProblem[];
  readonly reads: readonly SecretRead[];
  readonly lines: readonly { level: string; event: string; message: string; fields: LogFields | undefined }[];
}

export async function ask(source: SecretsSource, asked: Asked, context: AskContext = {}): Promise<Told> {
  const { env = {}, bootstrap = {}, directory = "/", between } = context;
  const lines: Told["lines"][number][] = [];
  const values = Object.entries(bootstrap).map(([name, value]) => [name, new Secret(value, name)] as const);
  const provider = await openProvider(source, {
    env,
    directory,
    bootstrap: new Map(values),
    log: (level, event, message, fields) => void lines.push({ level, event, message, fields }),
    attemptTimeoutMs: 2_000,
  });
  const refs = asked.map((from) => {
    const located = parseAddress(from);
    assert.ok("ref" in located);
    return located.ref;
  });
  try {
    const signal = AbortSignal.timeout(15_000);
    const identity = await provider.identify(signal);
    between?.();
    const { answers, reads } = await provider.fetch(refs, signal);
    const found = refs.flatMap((ref) => {
      const answer = answers.get(ref);
      return answer instanceof Secret ? [[ref.text, answer] as const] : [];
    });
    return {
      identity,
      values: Object.fromEntries(found.map(([text, secret]) => [text, secret.reveal()])),
      secrets: found.map(([, secret]) => secret),
      problems: refs.map((ref) => answers.get(ref)).filter((it): it is RefProblem => !(it instanceof Secret)),
      reads,
      lines,
    };
  } finally {
    provider.close();
  }
}
