/** Text from the manager to the type that the config declares. Its messages never contain the text. */
import type { SettingSpec } from "../config/settings.ts";
import type { StandardSchema, TypeName } from "../config/types.ts";
import { DURATION_FORM, parseDuration } from "../duration.ts";
import type { Secret } from "../secret.ts";

export interface Parsed {
  readonly value: unknown;
  /** As a wrapped app reads it from `process.env`. */
  readonly text: string;
}

/** Goes on from the setting's name: `must be a port from 1 to 65535`. */
export type Fault = { readonly fault: string; readonly kind?: "missing" | "invalid" };

export async function parseValue(spec: SettingSpec, secret: Secret): Promise<Parsed | Fault> {
  const { type } = spec;
  if (type === "bytes") {
    const bytes = secret.revealBytes();
    if (!bytes) return { fault: `must be bytes; ${secret.source} is a JSON value` };
    if (bytes.length === 0 && !spec.empty) return empty(secret);
    return { value: bytes, text: Buffer.from(bytes).toString("base64") };
  }
  const raw = secret.reveal();
  if (typeof raw === "object" && !(raw instanceof Uint8Array)) return parseObject(type, raw, secret);
  const text = toText(raw);
  if (typeof text !== "string") return { fault: `${text.fault}: ${secret.source}` };
  if (text === "" && !spec.empty) return empty(secret);
  if (isValidator(type)) return validate(type, text, text, spec.secret);
  const parsed = Array.isArray(type)
    ? parseWord(type, text)
    : PARSERS[type as Exclude<TypeName, "bytes">](text);
  return "fault" in parsed ? parsed : { value: parsed.value, text };
}

/** Those of ArkType are functions. */
function isValidator(type: SettingSpec["type"]): type is StandardSchema {
  return typeof type !== "string" && !Array.isArray(type);
}

function empty(secret: Secret): Fault {
  return { kind: "missing", fault: `${secret.source} is empty; "empty": true would allow that` };
}

function parseObject(
  type: SettingSpec["type"],
  raw: object,
  secret: Secret,
): Promise<Parsed | Fault> | Parsed | Fault {
  const text = JSON.stringify(raw);
  if (type === "json") return { value: deepFreeze(raw), text };
  if (isValidator(type)) return validate(type, raw, text, true);
  return {
    fault: `${secret.source} is a JSON ${Array.isArray(raw) ? "list" : "object"}; take it whole with "type": "json", or name a key in it`,
  };
}

/** A JSON integer is text again only where it was read exactly. */
function toText(raw: string | number | boolean | Uint8Array): string | Fault {
  if (typeof raw === "string") return raw;
  if (
    typeof raw === "boolean" ||
    Number.isSafeInteger(raw) ||
    (typeof raw === "number" && Math.abs(raw) < 2 ** 53)
  )
    return String(raw);
  if (typeof raw === "number")
    return { fault: "is a JSON number too large to be read exactly; put it in quotes" };
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(raw);
  } catch {
    return { fault: 'is binary; declare it as "type": "bytes"' };
  }
}

type Simple = { readonly value: unknown } | Fault;

const PARSERS: Readonly<Record<Exclude<TypeName, "bytes">, (text: string) => Simple>> = {
  string: (text) => ({ value: text }),
  url: (text) =>
    /^[a-z][a-z\d+.-]*:\/\//i.test(text) && URL.canParse(text)
      ? { value: text }
      : { fault: "must be a URL with its scheme, such as https://host/path" },
  integer: (text) => parseInteger(text, -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, "a whole number"),
  port: (text) => parseInteger(text, 1, 65_535, "a port from 1 to 65535"),
  number: (text) => {
    const isNumber = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) && Number.isFinite(Number(text));
    return isNumber ? { value: Number(text) } : { fault: "must be a number" };
  },
  boolean: (text) => {
    if (text === "true" || text === "1") return { value: true };
    return text === "false" || text === "0" ? { value: false } : { fault: "must be true or false (1 or 0)" };
  },
  duration: (text) => {
    const ms = parseDuration(text);
    return ms === undefined ? { fault: `must be ${DURATION_FORM}` } : { value: ms };
  },
  json: (text) => {
    try {
      return { value: deepFreeze(JSON.parse(text)) };
    } catch {
      return { fault: "must be JSON" };
    }
  },
};

function parseInteger(text: string, least: number, most: number, what: string): Simple {
  const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
  return value >= least && value <= most ? { value } : { fault: `must be ${what}` };
}

function parseWord(words: readonly string[], text: string): Simple {
  return words.includes(text) ? { value: text } : { fault: `must be one of ${words.join(", ")}` };
}

/** Validators quote what they refuse, so for a secret their messages stay out. */
async function validate(
  schema: StandardSchema,
  input: unknown,
  text: string,
  secret: boolean,
): Promise<Parsed | Fault> {
  try {
    const result = await schema["~standard"].validate(input);
    if (!result.issues) return { value: result.value, text };
    const said = secret
      ? "its messages may quote the value and are hidden"
      : result.issues.map(({ message }) => message).join("; ");
    return { fault: `does not pass its ${schema["~standard"].vendor} validator (${said})` };
  } catch {
    return { fault: `its ${schema["~standard"].vendor} validator threw` };
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}
