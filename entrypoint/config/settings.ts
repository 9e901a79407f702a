/** The `settings` part of the config: addresses and gates, parsed and held against each other. */
import type { Problem } from "../errors.ts";
import { suggestion } from "../suggestion.ts";
import { parseAddress, type SecretRef } from "./address.ts";
import type { SettingDeclaration, StandardSchema, TypeName } from "./types.ts";

/** A declared setting with nothing left to parse. */
export interface SettingSpec {
  readonly name: string;
  readonly type: TypeName | readonly string[] | StandardSchema;
  readonly secret: boolean;
  readonly optional: boolean;
  readonly empty: boolean;
  /** All must hold, or the setting is off. */
  readonly gates: readonly Gate[];
  /** One, or one a stage when it is a ring. */
  readonly refs: readonly SecretRef[];
  readonly ring: boolean;
}

export interface Gate {
  readonly setting: string;
  readonly equals: string | true;
}

const PLAIN = ["boolean", "port", "integer", "number", "duration"];

/** A word of a list, a port or a number is no secret by its kind, even where nobody has said so. */
export function isPlain({ type }: SettingSpec): boolean {
  return Array.isArray(type) || PLAIN.includes(String(type));
}

export function parseSettings(
  declared: Readonly<Record<string, string | SettingDeclaration>>,
  problems: Problem[],
): SettingSpec[] {
  const specs = Object.entries(declared).map(([name, value]) => {
    const declaration = typeof value === "string" ? { from: value } : value;
    const at = (message: string, key = "from") =>
      problems.push({ subject: `settings.${name}.${key}`, message });
    const { type = "string", secret = true, optional = false, empty = false, stages, when } = declaration;
    const refs = (stages ?? [undefined]).flatMap((stage) => {
      const located = parseAddress(declaration.from, stage);
      if ("ref" in located) return [located.ref];
      at(`'${printFrom(declaration.from)}' ${located.fault}`);
      return [];
    });
    if (stages && new Set(stages).size < stages.length) at("names a stage twice", "stages");
    if (name === "toJSON")
      problems.push({ subject: "settings.toJSON", message: "this name is taken by JavaScript" });
    return { name, type, secret, optional, empty, gates: parseGates(when), refs, ring: stages !== undefined };
  });
  for (const spec of specs) problems.push(...gateProblems(spec, specs));
  return specs;
}

function printFrom(from: SettingDeclaration["from"]): string {
  return typeof from === "string" ? from : from.id;
}

function parseGates(when: SettingDeclaration["when"]): Gate[] {
  if (when === undefined) return [];
  if (typeof when === "string") return [{ setting: when, equals: true }];
  return Object.entries(when).map(([setting, equals]) => ({ setting, equals }));
}

function gateProblems(spec: SettingSpec, specs: readonly SettingSpec[]): Problem[] {
  const subject = `settings.${spec.name}.when`;
  const problems = spec.gates.flatMap((gate) => {
    const target = specs.find(({ name }) => name === gate.setting);
    if (!target) {
      const names = specs.map(({ name }) => name);
      return [`names the setting '${gate.setting}', which is not declared${suggestion(gate.setting, names)}`];
    }
    if (gate.equals === true && target.type !== "boolean") {
      return [
        `names '${gate.setting}', which is not "type": "boolean"; for others write { "${gate.setting}": "value" }`,
      ];
    }
    if (
      target.ring ||
      typeof target.type === "object" ||
      typeof target.type === "function" ||
      target.type === "json" ||
      target.type === "bytes"
    ) {
      if (!Array.isArray(target.type) || target.ring)
        return [`names '${gate.setting}', whose type can't be compared with a word`];
    }
    if (target.type === "boolean" && gate.equals !== true && !["true", "false"].includes(gate.equals)) {
      return [`'${gate.setting}' is boolean: write "true" or "false"`];
    }
    if (Array.isArray(target.type) && !target.type.includes(gate.equals)) {
      return [`'${gate.setting}' never is '${gate.equals}'; it is one of ${target.type.join(", ")}`];
    }
    return [];
  });
  if (dependsOn(spec, spec.name, specs)) problems.push("depends on itself");
  return problems.map((message) => ({ subject, message }));
}

function dependsOn(
  spec: SettingSpec,
  name: string,
  specs: readonly SettingSpec[],
  seen = new Set<string>(),
): boolean {
  return spec.gates.some(({ setting }) => {
    if (setting === name) return true;
    if (seen.has(setting)) return false;
    seen.add(setting);
    const next = specs.find((other) => other.name === setting);
    return next !== undefined && dependsOn(next, name, specs, seen);
  });
}
