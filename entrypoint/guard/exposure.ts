/** What the guard finds. */

export interface Exposure {
  /** The name of a variable, an option, a limit: what `allow` lists, and never a value. */
  readonly subject: string;
  /** Goes on from the subject: what it exposes, and what to do about it. */
  readonly message: string;
  /** Certain enough to refuse to start. */
  readonly isSevere: boolean;
}
