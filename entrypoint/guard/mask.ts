/** Blanks out known secret values in text, in every form in which they usually turn up, and counts where it had to. */

import { formsOf, type Part, partsOf } from "./forms.ts";
import { createMatcher, type Finding, type Matcher, type Span } from "./matcher.ts";
import { isCommon } from "./too-common.ts";

export interface Mask {
  /** From now on `value` is shown as `[name]`; of an object, each text and number in it. One that is in use is named again now and then. */
  add(name: string, value: unknown): void;
  /** Each value that is blanked out now, by its name; for threads, which share no memory. */
  held(): (readonly [name: string, value: unknown])[];
  /** Told of each value that comes later. */
  watch(listener: (added: readonly [name: string, value: unknown]) => void): void;
  /** Says that a setting is confidential, and not blanked out because of its kind. */
  exempt(name: string): void;
  /** Also blanks out the login in any URL, known or not. */
  apply(text: string): string;
  /** Whether `apply` may find something. Nothing is counted. */
  hides(text: string): boolean;
  /** The settings whose values are the text, or stand in it where that is no chance. Nothing is counted. */
  find(text: string): string[];
  /** For streams, which cut values in two; the caller tells what it has blanked out by `count`. */
  scan(text: string): Finding | undefined;
  /** Nothing to hide in these bytes, and no beginning of it at their end. */
  isClean(bytes: Uint8Array): boolean;
  count(names: Iterable<string>): void;
  /** How often a value has been kept from being shown, by the setting's name. */
  hits(): Readonly<Record<string, number>>;
  /** Settings, or parts of them (`DB.host`), that are too short, too common or too harmless to be blanked out. */
  unmasked(): string[];
}

/**
 * Of each name: a ring of keys, and what was before a refresh or two, which is still in messages that are under way. What was
 * named the longest time ago goes first.
 */
const KEPT = 8;

/** A value of so many characters stands in no other by chance; `orders` does in `orders-api`. */
const SUREST = 12;

/** One value that a name has, or had. */
interface Entry {
  readonly value: unknown;
  readonly key: string;
  readonly forms: readonly string[];
  readonly common: readonly string[];
}

export function createMask(): Mask {
  const entries = new Map<string, Entry[]>();
  const listeners: Parameters<Mask["watch"]>[0][] = [];
  const exempted = new Set<string>();
  const counts = new Map<string, number>();
  let matcher: Matcher | undefined;
  const current = () => {
    matcher ??= createMatcher(patternsOf(entries));
    return matcher;
  };
  const scan = (text: string) => current().scan(text);
  const count = (names: Iterable<string>) => {
    for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  };
  return {
    scan,
    isClean: (bytes) => current().isClean(bytes),
    count,
    add(name, value) {
      const parts = partsOf(value);
      const key = parts.map(({ content }) => content).join("\0");
      if (parts.length === 0) return;
      const all = entries.get(name) ?? [];
      const known = all.find((entry) => entry.key === key);
      const others = all.filter((entry) => entry !== known);
      entries.set(name, [...others, known ?? toEntry(value, key, parts)].slice(-KEPT));
      if (known) return;
      matcher = undefined;
      for (const listener of listeners) listener([name, value]);
    },
    held: () => [...entries].flatMap(([name, all]) => all.map(({ value }) => [name, value] as const)),
    watch: (listener) => void listeners.push(listener),
    exempt: (name) => void exempted.add(name),
    apply(text) {
      const spans = current().find(text);
      for (const { names } of spans) count(names);
      return withoutLogins(replace(text, spans));
    },
    hides: (text) => current().find(text).length > 0 || text.includes("://"),
    find(text) {
      const isSure = ({ start, end }: Span) =>
        end - start === text.length || end - start >= SUREST || text.includes("://");
      return [
        ...new Set(
          current()
            .find(text)
            .filter(isSure)
            .flatMap(({ names }) => [...names]),
        ),
      ];
    },
    hits: () => Object.fromEntries(counts),
    unmasked: () => [
      ...new Set([
        ...exempted,
        ...[...entries].flatMap(([name, held]) =>
          held.flatMap(({ common }) => common.map((path) => name + path)),
        ),
      ]),
    ],
  };
}

const LOGIN = /(\b[a-z][a-z\d+.-]*:\/\/)([^\s'"/?#@:]*:[^\s'"]*|[^\s'"/?#]+)@/gi;

/** An old password, or a mistyped one, is on nobody's list. */
function withoutLogins(text: string): string {
  if (!text.includes("://")) return text;
  return text.replace(LOGIN, (all, scheme, login) => (login.endsWith("]") ? all : `${scheme}[hidden]@`));
}

/** `[NAME]` in place of each span. */
export function replace(text: string, spans: Finding["spans"]): string {
  let at = 0;
  let shown = "";
  for (const { start, end, name } of spans) {
    shown += `${text.slice(at, start)}[${name}]`;
    at = end;
  }
  return shown + text.slice(at);
}

function toEntry(value: unknown, key: string, parts: readonly Part[]): Entry {
  const common = parts.filter(
    ({ content, isPlace }) => isPlace || (typeof content === "string" && isCommon(content)),
  );
  const distinct = parts.filter((part) => !common.includes(part));
  return {
    value,
    key,
    forms: distinct.flatMap(formsOf),
    common: common.filter(({ isLine }) => !isLine).map(({ path }) => path),
  };
}

/** Of two settings with the same value, the first one gives its name. */
function patternsOf(entries: ReadonlyMap<string, readonly Entry[]>): Map<string, string> {
  const patterns = new Map<string, string>();
  for (const [name, held] of entries) {
    for (const form of held.flatMap(({ forms }) => forms)) {
      if (!patterns.has(form)) patterns.set(form, name);
    }
  }
  return patterns;
}
