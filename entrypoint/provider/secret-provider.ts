/** The extension point: what every secrets manager is adapted to. */
import type { SecretRef } from "../config/address.ts";
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
  /** Takes what nobody may print of what the provider has been given to log in with: a token, a key. */
  readonly hide?: (name: string, value: unknown) => void;
  /** How long one try may take, in milliseconds. Default 10 s. */
  readonly attemptTimeoutMs?: number;
}
