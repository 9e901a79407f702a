/** Settings that are gone: a driver that is given nothing finds something, such as a server on this host or a variable. */
import type { Settings } from "../settings/settings.ts";

/** Of the settings that a pool is made of, those that have a value. */
export function givenOf(uses: readonly string[], settings: Settings): string[] {
  return uses.filter((name) => hasValue(settings[name]));
}

/** @returns what is wrong, if one of those that a pool was given has no value any more */
export function lossOf(given: readonly string[], settings: Settings): string | undefined {
  const lost = given.filter((name) => !hasValue(settings[name]));
  if (lost.length === 0) return undefined;
  return `it is made of ${lost.join(" and ")}, and that is not set any more; to go on without takes a restart`;
}

function hasValue(value: unknown): boolean {
  return value !== undefined && value !== null && value !== "";
}
