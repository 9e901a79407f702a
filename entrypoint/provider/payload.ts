/** What a vendor holds under one name, and how a JSON key is picked out of it. Shared by the vendors whose secrets are documents. */
import { Secret, type SecretValue } from "../secret.ts";
import { suggestion } from "../suggestion.ts";
import type { RefProblem } from "./secret-provider.ts";

export interface Payload {
  readonly content: string | Uint8Array;
  readonly version: string | undefined;
  /** The bytes as they were stored, where `content` was tidied. */
  readonly stored?: Uint8Array;
}

/** @param name the secret's name in the vendor's words, for messages */
export function pick(payload: Payload, name: string, key: string | undefined): Secret | RefProblem {
  const { content, version } = payload;
  if (key === undefined) return new Secret(content, name, payload);
  const document = typeof content === "string" ? parseJson(content) : undefined;
  if (document === undefined) return invalid(`${name} is not JSON, so it has no key '${key}'`);
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    return invalid(`${name} is JSON, but not an object, so it has no key '${key}'`);
  }
  if (!Object.hasOwn(document, key)) {
    return {
      kind: "missing",
      message: `${name} has no key '${key}'${suggestion(key, Object.keys(document))}`,
    };
  }
  const value = (document as Record<string, SecretValue | null>)[key];
  if (value === null || value === undefined)
    return { kind: "missing", message: `${name} has the key '${key}', but it is null` };
  return new Secret(value, `${name}#${key}`, { version });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function invalid(message: string): RefProblem {
  return { kind: "invalid", message };
}
