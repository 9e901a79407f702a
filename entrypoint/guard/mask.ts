/** Blanks out known secret values in text, in every form in which they usually turn up. */

export interface Mask {
  /** From now on `value` is shown as `[name]`; of an object, each text in it. */
  add(name: string, value: unknown): void;
  apply(text: string): string;
}

/** Shorter values are likely to be part of innocent words. */
const SHORTEST = 6;

export function createMask(): Mask {
  const names = new Map<string, string>();
  let pattern: RegExp | undefined;
  return {
    add(name, value) {
      for (const form of textsOf(value).flatMap(formsOf)) names.set(form, name);
      const forms = [...names.keys()].sort((a, b) => b.length - a.length);
      pattern = forms.length > 0 ? new RegExp(forms.map(quote).join("|"), "g") : undefined;
    },
    apply: (text) => (pattern ? text.replace(pattern, (form) => `[${names.get(form)}]`) : text),
  };
}

function textsOf(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (value instanceof Uint8Array) return [Buffer.from(value).toString("latin1")];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsOf) : [];
}

function formsOf(value: string): string[] {
  const lines = value.includes("\n") ? value.split(/\r?\n/) : [];
  return [value, ...lines]
    .filter((text) => text.length >= SHORTEST)
    .flatMap((text) => [
      text,
      JSON.stringify(text).slice(1, -1),
      encodeURIComponent(text),
      Buffer.from(text).toString("base64"),
      Buffer.from(text).toString("base64url"),
    ]);
}

function quote(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
