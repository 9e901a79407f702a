/** The settings room: holds what was fetched against what was declared, and makes the object that the app reads. */
import { inspect } from "node:util";
import type { SecretRef } from "../config/address.ts";
import type { SettingSpec } from "../config/settings.ts";
import { type Problem, SallyportError } from "../errors.ts";
import type { RefProblem } from "../provider/secret-provider.ts";
import { Secret } from "../secret.ts";
import { type Parsed, parseValue } from "./parse.ts";

/** One consistent set. A refresh makes a new one and swaps it whole. */
export type SettingValues = ReadonlyMap<string, SettingValue>;

export interface SettingValue {
  /** `undefined` when it is off or optional and absent. */
  readonly value: unknown;
  /** As a wrapped app reads it from `process.env`. */
  readonly text: string | undefined;
  /** Of all that it is made of, as it was found: one, or one a stage when it is a ring. */
  readonly texts: readonly string[];
  /** Where it was found: one, or one a stage when it is a ring. Safe to show. */
  readonly origins: readonly Origin[];
  /** ISO time since which this value has been held. */
  readonly since: string;
}

export type Origin = Pick<Secret, "source" | "version" | "expiresAt">;

type Answers = ReadonlyMap<SecretRef, Secret | RefProblem>;

/** @throws {SallyportError} SETTINGS_INVALID, or SECRET_DENIED when nothing but permissions is wrong; each with every problem */
export async function validateSettings(
  specs: readonly SettingSpec[],
  answers: Answers,
): Promise<SettingValues> {
  const values = new Map<string, SettingValue>();
  const since = new Date().toISOString();
  const problems = new Map<string, Problem>();
  for (const spec of inGateOrder(specs)) {
    const gate = gateOf(spec, values);
    // A gate that is itself wrong is reported; what hangs on it can't be known yet.
    if (gate === "unknown") continue;
    const result = gate === "off" ? ABSENT : await resolve(spec, answers);
    if ("message" in result) problems.set(spec.name, result);
    else values.set(spec.name, { ...result, since });
  }
  if (problems.size > 0) throw refuse(specs.flatMap(({ name }) => problems.get(name) ?? []));
  return values;
}

/** Every setting after those that its gates name; the config has no circles. */
function inGateOrder(specs: readonly SettingSpec[]): SettingSpec[] {
  const ordered = new Set<SettingSpec>();
  const visit = (spec: SettingSpec) => {
    if (ordered.has(spec)) return;
    for (const gate of spec.gates) {
      const target = specs.find(({ name }) => name === gate.setting);
      if (target) visit(target);
    }
    ordered.add(spec);
  };
  for (const spec of specs) visit(spec);
  return [...ordered];
}

function gateOf({ gates }: SettingSpec, values: SettingValues): "on" | "off" | "unknown" {
  const targets = gates.map(({ setting, equals }) => ({ held: values.get(setting), equals }));
  if (targets.some(({ held }) => !held)) return "unknown";
  return targets.every(({ held, equals }) => held && isOpen(held, equals)) ? "on" : "off";
}

/** A boolean may be written in several ways; anything else is compared as it is written. */
function isOpen({ value, text }: SettingValue, equals: string | true): boolean {
  return typeof value === "boolean" ? String(value) === String(equals) : text === equals;
}

type Resolved = Omit<SettingValue, "since">;

const ABSENT: Resolved = { value: undefined, text: undefined, texts: [], origins: [] };

async function resolve(spec: SettingSpec, answers: Answers): Promise<Resolved | Problem> {
  const found: { readonly parsed: Parsed; readonly origin: Origin }[] = [];
  for (const [index, ref] of spec.refs.entries()) {
    const answer = answers.get(ref) as Secret | RefProblem;
    const isSpare = spec.optional || (spec.ring && index > 0);
    if (!(answer instanceof Secret)) {
      if (isSpare && answer.kind === "missing") continue;
      return { subject: spec.name, kind: answer.kind, message: answer.message };
    }
    const parsed = await parseValue(spec, answer);
    if (!("fault" in parsed)) found.push({ parsed, origin: originOf(answer) });
    else if (!(isSpare && parsed.kind === "missing")) {
      return { subject: spec.name, kind: parsed.kind ?? "invalid", message: `${parsed.fault} (${ref.text})` };
    }
  }
  const [first] = found;
  if (!first) return ABSENT;
  const value = spec.ring ? Object.freeze(found.map(({ parsed }) => parsed.value)) : first.parsed.value;
  const texts = found.map(({ parsed }) => parsed.text);
  return { value, text: first.parsed.text, texts, origins: found.map(({ origin }) => origin) };
}

function originOf({ source, version, expiresAt }: Secret): Origin {
  return { source, version, expiresAt };
}

function refuse(problems: readonly Problem[]): SallyportError {
  const onlyDenied = problems.every(({ kind }) => kind === "denied");
  const count = problems.length === 1 ? "a setting is" : `${problems.length} settings are`;
  return onlyDenied
    ? new SallyportError("SECRET_DENIED", `${count} out of this identity's reach`, {
        hint: "Give the identity read access to what is listed; nothing else is wrong.",
        problems,
      })
    : new SallyportError("SETTINGS_INVALID", `${count} missing or wrong`, {
        hint: "Correct what is listed in the secrets manager (or the addresses in the config).",
        problems,
      });
}

/** Read-only, always current, and without values wherever it is printed. */
export type Settings = Readonly<Record<string, unknown>>;

export interface LiveSettings {
  /** Always the same object. The next read after a swap sees the new values. */
  readonly settings: Settings;
  values(): SettingValues;
  /** As a wrapped app reads it from `process.env`. */
  readText(name: string): string | undefined;
  /** All at once: no reader sees one setting from before and another from after. */
  swap(values: SettingValues): void;
  /** An object of the same kind that stays as it is now. */
  snapshot(): Settings;
}

export function createSettings(specs: readonly SettingSpec[], values: SettingValues): LiveSettings {
  const list = () => specs.map(({ name }) => values.get(name)?.value);
  let current: readonly unknown[] = list();
  let kept: Settings | undefined;
  return {
    settings: createView(specs, () => current),
    values: () => values,
    readText: (name) => values.get(name)?.text,
    swap(next) {
      values = next;
      current = list();
      kept = undefined;
    },
    snapshot() {
      const fixed = current;
      kept ??= createView(specs, () => fixed);
      return kept;
    },
  };
}

/**
 * Settings that are secret are not enumerable: a spread, `Object.entries` and a logger that walks it see only those marked
 * `"secret": false`.
 */
function createView(specs: readonly SettingSpec[], current: () => readonly unknown[]): Settings {
  // A prototype without a prototype: V8 keeps an object that has none itself as a dictionary, and reads it four times slower.
  const settings = Object.create(Object.create(null)) as Record<PropertyKey, unknown>;
  for (const [index, { name, secret }] of specs.entries()) {
    Object.defineProperty(settings, name, { get: () => current()[index], enumerable: !secret });
  }
  const shown = () =>
    Object.fromEntries(
      specs.map(({ name, secret }, index) => {
        const value = current()[index];
        return [name, secret && value !== undefined ? "[secret]" : value];
      }),
    );
  Object.defineProperty(settings, "toJSON", { value: shown });
  Object.defineProperty(settings, inspect.custom, { value: shown });
  return Object.freeze(settings);
}
