/** Ground floor: what to say about a word that is not known. */
import { closestMatch } from "leven";

/** `; did you mean 'prefix'?`, or the allowed words where none is near; `""` where nothing is allowed. */
export function suggestion(word: string, allowed: readonly string[]): string {
  const nearest = closestMatch(word, allowed, { maxDistance: Math.max(2, Math.floor(word.length / 4)) });
  if (nearest !== undefined) return `; did you mean '${nearest}'?`;
  return allowed.length > 0 ? `; allowed: ${allowed.join(", ")}` : "";
}
