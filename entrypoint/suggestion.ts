/** Ground floor: what to say about a word that is not known. */
import { closestMatch } from "leven";

/** `; did you mean 'prefix'?`, or the allowed words where none is near; `""` where nothing is allowed. */
export function suggestion(word: string, allowed: readonly string[]): string {
  const nearest = closestMatch(word, allowed, { maxDistance: Math.min(3, Math.ceil(word.length / 2)) });
  if (nearest !== undefined) return `; did you mean '${nearest}'?`;
  return allowed.length > 0 ? `; allowed: ${allowed.join(", ")}` : "";
}
