/** The settings room: holds what was fetched against what was declared, and makes the object that the app reads. */
import { inspect } from "node:util";
import type { SecretRef } from "../config/address.ts";
import type { SettingSpec } from "../config/settings.ts";
import { type Problem, SallyportError } from "../errors.ts";
import type { RefProblem } from "../provider/secret-provider.ts";
import { Secret } from "../secret.ts";
import { parseValue } from "./parse.ts";

/** One consistent set. A refresh makes a new one and swaps it whole. */
export type SettingValues = ReadonlyMap<string, SettingValue>;

export interface SettingValue {
  /** `undefined` when it is off or optional and absent. */
  readonly value: unknown;
  /** As a wrapped app reads it from `process.env`. */
  readonly text: string | undefined;
}

type Answers = ReadonlyMap<SecretRef, Secret | RefProblem>;

const ABSENT: SettingValue = { value: undefined, text: undefined };

/** @throws {SallyportError} SETTINGS_INVALID, or SECRET_DENIED when nothing but permissions is wrong; each with every problem */
export async function validateSettings(
  specs: readonly SettingSpec[],
  answers: Answers,
): Promise<SettingValues> {
  const values = new Map<string, SettingValue>();
  const problems = new Map<string, Problem>();
  for (const spec of inGateOrder(specs)) {
    const gate = gateOf(spec, values);
    // A gate that is itself wrong is reported; what hangs on it can't be known yet.
    if (gate === "unknown") continue;
    const result = gate === "off" ? ABSENT : await resolve(spec, answers);
    if ("message" in result) problems.set(spec.name, result);
    else values.set(spec.name, result);
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

async function resolve(spec: SettingSpec, answers: Answers): Promise<SettingValue | Problem> {
  const held: SettingValue[] = [];
  for (const [index, ref] of spec.refs.entries()) {
    const answer = answers.get(ref) as Secret | RefProblem;
    const isSpare = spec.optional || (spec.ring && index > 0);
    if (!(answer instanceof Secret)) {
      if (isSpare && answer.kind === "missing") continue;
      return { subject: spec.name, kind: answer.kind, message: answer.message };
    }
    const parsed = await parseValue(spec, answer);
    if (!("fault" in parsed)) held.push(parsed);
    else if (!(isSpare && parsed.kind === "missing")) {
      return { subject: spec.name, kind: parsed.kind ?? "invalid", message: `${parsed.fault} (${ref.text})` };
    }
  }
  const [first] = held;
  if (!first) return ABSENT;
  return spec.ring ? { value: Object.freeze(held.map(({ value }) => value)), text: first.text } : first;
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
        hint: "Correct what is listed in the secrets manager (or the addresses in the config), then start again.",
        problems,
      });
}

/** Read-only, always current, and without values wherever it is printed. */
export type Settings = Readonly<Record<string, unknown>>;

/**
 * An object that reads through `current`, so that a swap shows at the next read. Settings that are secret are not
 * enumerable: a spread, `Object.entries` and a logger that walks it see only those marked `"secret": false`.
 */
export function createSettings(specs: readonly SettingSpec[], current: () => SettingValues): Settings {
  const settings = Object.create(null) as Record<PropertyKey, unknown>;
  for (const { name, secret } of specs) {
    Object.defineProperty(settings, name, { get: () => current().get(name)?.value, enumerable: !secret });
  }
  const shown = () =>
    Object.fromEntries(
      specs.map(({ name, secret }) => {
        const value = current().get(name)?.value;
        return [name, secret && value !== undefined ? "[secret]" : value];
      }),
    );
  Object.defineProperty(settings, "toJSON", { value: shown });
  Object.defineProperty(settings, inspect.custom, { value: shown });
  return Object.freeze(settings);
}
