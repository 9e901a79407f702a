/** Parses where a secret lives. Vendors differ; the address does not. */
import type { SecretLocation } from "./types.ts";

/** Where a secret lives, safe to log. Providers answer by this object's identity. */
export type SecretRef = {
  /** As the config writes it, for messages. */
  readonly text: string;
  /** `current`, `previous`, `pending` or a label of the vendor's. */
  readonly stage: string;
  readonly version?: string;
} & (
  | { readonly kind: "address"; readonly folder: string; readonly name: string }
  | { readonly kind: "secret"; readonly id: string; readonly key?: string }
);

type Located = { readonly ref: SecretRef } | { readonly fault: string };

const CURRENT = "current";

/** `database/url`, an ARN (also in the form of ECS task definitions), or the parts by name. */
export function parseAddress(from: string | SecretLocation, stage?: string): Located {
  const located = typeof from === "string" ? parseText(from) : parseLocation(from);
  if ("fault" in located || stage === undefined) return located;
  const { ref } = located;
  if (ref.stage !== CURRENT || ref.version)
    return { fault: "has a stage or version of its own, which 'stages' would override" };
  return { ref: stage === CURRENT ? ref : { ...ref, stage, text: `${ref.text}@${stage}` } };
}

function parseText(text: string): Located {
  if (text.startsWith("arn:")) return parseArn(text);
  const fault = pathFault(text);
  if (fault) return { fault };
  const slash = text.lastIndexOf("/");
  return {
    ref: {
      kind: "address",
      text,
      folder: text.slice(0, Math.max(slash, 0)),
      name: text.slice(slash + 1),
      stage: CURRENT,
    },
  };
}

function parseLocation({ id, key, stage, version }: SecretLocation): Located {
  const isArn = id.startsWith("arn:");
  const located = isArn ? parseArn(id) : { ref: { kind: "secret", id, text: id, stage: CURRENT } as const };
  const fault = isArn ? undefined : pathFault(id);
  if (fault) return { fault: `id ${fault}` };
  if ("fault" in located) return located;
  if (stage && version) return { fault: "names a stage and a version; a version alone says which one" };
  const { ref } = located;
  const pin = stage ?? version;
  const text = `${ref.text}${key ? `#${key}` : ""}${pin ? `@${pin}` : ""}`;
  return { ref: { ...ref, ...(key && { key }), ...(stage && { stage }), ...(version && { version }), text } };
}

/** The ECS form puts three fields behind the ARN, each of which may be empty: `…:secret:name-AbCdEf:json-key:stage:version`. */
function parseArn(text: string): Located {
  const parts = text.split(":");
  const [, , service, region, , resource, name] = parts;
  if (service !== "secretsmanager" || resource !== "secret" || !region || !name || parts.length > 10) {
    return {
      fault: "is not the ARN of a Secrets Manager secret (arn:aws:secretsmanager:region:account:secret:name)",
    };
  }
  const [key, stage, version] = parts.slice(7);
  const id = parts.slice(0, 7).join(":");
  return {
    ref: {
      kind: "secret",
      id,
      text,
      stage: stage || CURRENT,
      ...(key && { key }),
      ...(version && { version }),
    },
  };
}

function pathFault(path: string): string | undefined {
  if (path.startsWith("/")) return "begins with '/'; write it without";
  const segments = path.split("/");
  if (segments.includes("")) return "has an empty part between slashes";
  if (segments.includes(".") || segments.includes("..")) return "may not contain '.' or '..'";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(path)) return "contains a control character";
  return undefined;
}
