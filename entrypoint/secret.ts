/** Ground floor: a confidential value that does not print. */
import { inspect } from "node:util";

/** Text, bytes, or what stood under a JSON key. */
export type SecretValue = string | Uint8Array | number | boolean | object;

const HIDDEN = "[secret]";

interface SecretOptions {
  readonly version?: string | undefined;
  readonly expiresAt?: string | undefined;
  /** The bytes exactly as they were stored, where `value` was tidied. */
  readonly stored?: Uint8Array;
}

/** Carries a value from a provider to the settings. Its name and version are safe to log, its value only comes out by `reveal()`. */
export class Secret {
  /** Where it was found, in the vendor's own words, for example `shop/production/database#url`. */
  readonly source: string;
  readonly version: string | undefined;
  /** ISO time at which a leased credential ends; nothing renews it yet. */
  readonly expiresAt: string | undefined;
  readonly #value: SecretValue;
  readonly #stored: Uint8Array | undefined;

  constructor(value: SecretValue, source: string, { version, expiresAt, stored }: SecretOptions = {}) {
    this.#value = value;
    this.#stored = stored;
    this.source = source;
    this.version = version;
    this.expiresAt = expiresAt;
  }

  reveal(): SecretValue {
    return this.#value;
  }

  /** Exactly what was stored; `undefined` for what stood under a JSON key and is not text. */
  revealBytes(): Uint8Array | undefined {
    if (this.#stored) return this.#stored;
    if (typeof this.#value === "string") return Buffer.from(this.#value, "utf8");
    return this.#value instanceof Uint8Array ? this.#value : undefined;
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }

  [inspect.custom](): string {
    return HIDDEN;
  }
}
