/** Blanks out known secret values in text, in every form in which they usually turn up. */

export interface Mask {
  /** From now on `value` is shown as `[name]`; of an object, each text and number in it. */
  add(name: string, value: unknown): void;
  apply(text: string): string;
}

/** Shorter values are likely to be part of innocent words. */
const SHORTEST = 6;

export function createMask(): Mask {
  const names = new Map<string, string>();
  let forms: string[] = [];
  return {
    add(name, value) {
      for (const text of textsOf(value)) {
        if (!names.has(text)) for (const form of formsOf(text)) names.set(form, name);
      }
      // Longest first: a value that holds another is named for itself.
      forms = [...names.keys()].sort((a, b) => b.length - a.length);
    },
    // Not one pattern of all forms: V8 refuses patterns of some 24 KB, and quotes them.
    apply: (text) =>
      forms.reduce(
        (masked, form) =>
          masked.includes(form) ? masked.replaceAll(form, () => `[${names.get(form)}]`) : masked,
        text,
      ),
  };
}

function textsOf(value: unknown, seen = new Set<unknown>()): string[] {
  if (typeof value === "string") return [value];
  if (typeof value === "number" || typeof value === "bigint") return [String(value)];
  if (value instanceof Uint8Array) return [Buffer.from(value).toString("utf8")];
  if (typeof value !== "object" || value === null || seen.has(value)) return [];
  seen.add(value);
  return Object.values(value).flatMap((inner) => textsOf(inner, seen));
}

function inJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

function formsOf(value: string): string[] {
  const lines = value.includes("\n") ? value.split(/\r?\n/) : [];
  return [value, ...lines]
    .filter((text) => text.length >= SHORTEST)
    .flatMap((text) => [
      text,
      inJson(text),
      inJson(inJson(text)), // an error message that quotes JSON, in a line of JSON
      encodeURIComponent(text.toWellFormed()),
      Buffer.from(text).toString("base64"),
      Buffer.from(text).toString("base64url"),
    ]);
}
