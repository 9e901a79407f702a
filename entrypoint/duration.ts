/** Ground floor: durations as people write them, a number with its unit. */

const UNITS_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** The longest time that a timer can wait, in milliseconds; a longer one would fire at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** What `parseDuration` accepts, for messages. */
export const DURATION_FORM = "a number with a unit: 250ms, 30s, 5m, 12h or 7d";

/** `"1.5s"` to `1500` (milliseconds); `undefined` for anything else, a bare number included. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  if (!match) return undefined;
  const [, amount, unit] = match as unknown as [string, string, keyof typeof UNITS_MS];
  return Math.round(Number(amount) * UNITS_MS[unit]);
}
