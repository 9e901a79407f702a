/** The guard room: looks at what surrounds the process for ways in which its secrets are exposed, and says all of them at once. */
import type { GuardConfig } from "../config/guard.ts";
import { SallyportError } from "../errors.ts";
import type { Log } from "../log.ts";
import { checkEnvironment, type EnvironmentToCheck } from "./environment.ts";
import type { Exposure } from "./exposure.ts";
import { checkNodeOptions } from "./node-options.ts";
import { checkProcess, type ProcessToCheck } from "./process.ts";

export type Surroundings = EnvironmentToCheck & ProcessToCheck & { readonly execArgv: readonly string[] };

/** @throws {SallyportError} GUARD_REFUSED with everything that exposes a secret for certain. @returns how many warnings there are */
export function standGuard(surroundings: Surroundings, { mode, allow }: GuardConfig, log: Log): number {
  const found = [
    ...checkEnvironment(surroundings),
    ...checkNodeOptions(surroundings.execArgv, surroundings.env),
    ...checkProcess(surroundings),
  ].filter(({ subject }) => !allow.includes(subject));
  const refused = found.filter(({ isSevere }) => isSevere && mode === "refuse");
  const warned = found.filter((it) => !refused.includes(it));
  for (const { subject, message } of warned) log("warn", "exposure.found", message, { subject });
  if (refused.length > 0) throw refuse(refused);
  return warned.length;
}

function refuse(found: readonly Exposure[]): SallyportError {
  const count = found.length === 1 ? "one thing exposes" : `${found.length} things expose`;
  const names = found.map(({ subject }) => JSON.stringify(subject)).join(", ");
  return new SallyportError("GUARD_REFUSED", `${count} secrets`, {
    hint: `Remove what is listed. What is meant to be there is said in the config: "guard": { "allow": [${names}] }.`,
    problems: found,
  });
}

/**
 * The signal by which anybody who may send one opens the inspector. A handler takes Node's place; without one in a hardened
 * process, Node ignores it by itself.
 */
export function closeDebugSignal(log: Log): void {
  process.on("SIGUSR1", () =>
    log("warn", "inspector.kept_closed", "SIGUSR1 came, which opens Node's inspector; it stays closed"),
  );
}
