/** What a refresh brings: which settings differ from those held. */
import { isDeepStrictEqual } from "node:util";
import type { SettingValue, SettingValues } from "./settings.ts";

export interface Comparison {
  /** Names, in the config's order. */
  readonly changed: readonly string[];
  /** What was fetched; a value that is the same has been held for as long as before. */
  readonly values: SettingValues;
}

export function compareSettings(held: SettingValues, fetched: SettingValues): Comparison {
  const changed: string[] = [];
  const values = new Map<string, SettingValue>();
  for (const [name, value] of fetched) {
    const before = held.get(name);
    const isSame = before !== undefined && isSameValue(before, value);
    if (!isSame) changed.push(name);
    values.set(name, isSame ? { ...value, value: before.value, since: before.since } : value);
  }
  return { changed, values };
}

/** Values are made of their texts alone, and what a validator makes of one need not be comparable. */
function isSameValue(before: SettingValue, after: SettingValue): boolean {
  return isDeepStrictEqual(before.texts, after.texts);
}
