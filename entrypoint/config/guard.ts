/** The `guard` part of the config. */
import type { Config, GuardMode } from "./types.ts";

export interface GuardConfig {
  readonly mode: GuardMode;
  /** Subjects of findings that are meant to be there. */
  readonly allow: readonly string[];
}

export function parseGuard(declared: Config["guard"]): GuardConfig {
  const { mode = "refuse", allow = [] } =
    typeof declared === "string" ? { mode: declared } : (declared ?? {});
  return { mode, allow };
}
