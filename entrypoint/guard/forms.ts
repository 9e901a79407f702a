/** What there is to blank out in a value: its parts, and the forms in which each turns up in output. */
import { inspect } from "node:util";
import { isSecretName } from "./names.ts";

/** A part that is confidential by itself. */
export interface Part {
  /** After the setting's name: empty for the whole value, `.password` of a URL or a document. */
  readonly path: string;
  readonly content: string | Uint8Array;
  /** One of many lines, which are no part that a person would look for. */
  readonly isLine?: boolean;
  /** It says where a login leads, and stands beside the password. */
  readonly isPlace?: boolean;
}

/** What RDS and others keep in one document with a password, and everybody writes into logs, paths and variables. */
const PLACE =
  /^(engine|host(name)?|port|(db|database)[-_]?(name)?|(db[-_]?)?(instance|cluster)[-_]?identifier|user([-_]?name)?|schema|region)$/i;

const DEEPEST = 20;

/** The value itself, its lines, the leaves of a document, the credentials in a URL. */
export function partsOf(value: unknown, path = "", depth = 0): Part[] {
  if (typeof value === "string") return [{ path, content: value }, ...insideOf(value, path, depth)];
  if (typeof value === "number" || typeof value === "bigint") return [{ path, content: String(value) }];
  if (value instanceof Uint8Array) {
    const text = decode(value);
    return text === undefined ? [{ path, content: value }] : partsOf(text, path, depth);
  }
  // Nothing that came from a manager is so deep; a validator may well return something with circles.
  if (typeof value !== "object" || value === null || depth > DEEPEST) return [];
  const entries = Object.entries(value);
  const isLogin = entries.some(([key]) => isSecretName(key));
  return entries.flatMap(([key, inner]) => {
    const parts = partsOf(inner, `${path}.${key}`, depth + 1);
    return isLogin && PLACE.test(key) ? parts.map((part) => ({ ...part, isPlace: true })) : parts;
  });
}

function insideOf(text: string, path: string, depth: number): Part[] {
  const document = /^\s*[{[]/.test(text) ? parseJson(text) : undefined;
  if (document !== undefined) return partsOf(document, path, depth + 1);
  const lines = text.includes("\n") ? text.split(/\r?\n/) : [];
  const credentials = /^[A-Za-z][A-Za-z\d+.-]*:\/\//.test(text) ? credentialsIn(text, path) : [];
  return [...lines.map((content) => ({ path, content, isLine: true })), ...credentials];
}

/** Drivers print them apart from the URL that they came in, and decoded. */
function credentialsIn(text: string, path: string): Part[] {
  const url = URL.parse(text);
  if (!url) return [];
  const { username, password, searchParams } = url;
  const given = password
    ? [[".password", password] as const]
    : username.length >= 16 // a token that stands where the user does: https://ghp_…@github.com
      ? [[".username", username] as const]
      : [];
  const asked = [...searchParams].filter(([name]) => isSecretName(name));
  return [...given, ...asked.map(([name, value]) => [`.${name}`, value] as const)].flatMap(([name, raw]) => {
    const decoded = decodeComponent(raw);
    return [raw, ...(decoded === raw ? [] : [decoded])].map((content) => ({ path: path + name, content }));
  });
}

/** Beyond it, only the forms that somebody has seen a long value in. */
const LONG = 4_096;
const INSPECTED_BYTES = 50;
const INSPECTED_CHARACTERS = 10_000;
/** Written the same way in JSON, in a URL and by `util.inspect`. */
const SIMPLE = /^[\w.~-]+$/;

/** A text is found in JavaScript's own strings and, byte by byte, in what is written as UTF-8. */
export function formsOf({ content, isLine = false }: Part): string[] {
  const bytes = Buffer.from(content as Uint8Array);
  const texts = typeof content === "string" ? textForms(content) : [bytes.toString("latin1")];
  const forms = new Set(texts);
  for (const text of texts) {
    if (!isAscii(text) && typeof content === "string") forms.add(Buffer.from(text).toString("latin1"));
  }
  for (const form of byteForms(bytes)) forms.add(form);
  // As JSON has a Buffer. Not of each line of a long value: so many numbers look alike, which costs time.
  if (!isLine && bytes.length <= LONG) forms.add(bytes.join());
  // A document that is encoded as a whole, and quotes the value.
  const isPlain = typeof content !== "string" || content.length > LONG || SIMPLE.test(content);
  const json = isPlain ? content : inJson(content);
  if (json !== content) for (const form of innerForms(Buffer.from(json as string))) forms.add(form);
  return [...forms];
}

function textForms(text: string): string[] {
  if (SIMPLE.test(text)) return [text, ...(text.length > LONG ? [text.slice(0, INSPECTED_CHARACTERS)] : [])];
  const json = inJson(text);
  if (text.length > LONG) return [text, json, encodeURIComponent(text.toWellFormed()), ...inInspection(text)];
  // One in the other, too: `{ body: '{"password":"…"}' }` on a console, an inspected error in a line of JSON.
  const written = new Set([text, json, ...inInspection(text)]);
  const twice = [...written].flatMap((it) => [it, inJson(it), ...inInspection(it), ...inUrls(it)]);
  return [...twice, inJson(inJson(json))];
}

function inUrls(text: string): string[] {
  const wellFormed = text.toWellFormed();
  const encoded = encodeURIComponent(wellFormed);
  return [
    encoded,
    encoded.replace(/%../g, (code) => code.toLowerCase()),
    encodeURI(wellFormed),
    new URLSearchParams({ "": text }).toString().slice(1),
  ];
}

/** By `util.inspect`, which escapes an apostrophe only where the text around it has the other quotes as well, and cuts off an end. */
function inInspection(text: string): string[] {
  const parts = text
    .slice(0, INSPECTED_CHARACTERS)
    .split("'")
    .map((part) => inspect(part, { breakLength: Number.POSITIVE_INFINITY }));
  return ["'", "\\'"].map((apostrophe) => parts.map((part) => part.slice(1, -1)).join(apostrophe));
}

function byteForms(bytes: Buffer): string[] {
  const base64 = bytes.toString("base64");
  if (bytes.length > LONG) return withUrlForm(base64);
  const inspected = bytes.toString("hex", 0, INSPECTED_BYTES).replace(/..(?=.)/g, "$& ");
  return [inspected, ...withUrlForm(base64), ...innerForms(bytes)];
}

/** Those that are found in the middle of something longer. */
function innerForms(bytes: Buffer): string[] {
  const hex = bytes.toString("hex");
  return [hex, hex.toUpperCase(), ...[0, 1, 2].flatMap((offset) => innerBase64(bytes, offset))];
}

/**
 * In the middle of something longer, such as `user:password` in a header, base64 begins at any of three places, and its
 * outermost characters are shared with what stands beside it.
 */
function innerBase64(bytes: Buffer, offset: number): string[] {
  const shifted = offset === 0 ? bytes : Buffer.concat([Buffer.alloc(offset), bytes]);
  const [first, last] = [Math.ceil((offset * 8) / 6), Math.floor((shifted.length * 8) / 6)];
  return withUrlForm(shifted.toString("base64").slice(first, last));
}

function withUrlForm(base64: string): string[] {
  const url = base64.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  return url === base64 ? [base64] : [base64, url];
}

function isAscii(text: string): boolean {
  return /^[\0-\x7f]*$/.test(text);
}

function inJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function decodeComponent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** `undefined` where it is not text. */
function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
