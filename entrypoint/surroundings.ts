/** The corridor's gate, between settings and database: what surrounds the process must not give away what was fetched. */
import { bootstrapFile } from "./bootstrap/bootstrap.ts";
import type { ParsedConfig } from "./config/config.ts";
import { isPlain } from "./config/settings.ts";
import { standGuard } from "./guard/guard.ts";
import { bootstrapNames } from "./provider/provider.ts";
import { type Boot, step } from "./step.ts";

/** @throws {SallyportError} GUARD_REFUSED */
export async function checkSurroundings(config: ParsedConfig, boot: Boot): Promise<void> {
  const { guard, settings, source } = config;
  if (guard.mode === "off") return;
  const { mask, log } = boot;
  const bootstrap = bootstrapNames(source);
  // Of bootstrap values that came as variables a warning has told already.
  const env = Object.fromEntries(Object.entries(boot.env).filter(([name]) => !bootstrap.includes(name)));
  const surroundings = {
    env,
    execArgv: process.execArgv,
    secrets: settings.filter((spec) => spec.secret && !isPlain(spec)).map(({ name }) => name),
    find: mask.find,
    bootstrap: new Map(bootstrap.map((name) => [name, bootstrapFile(name, env)])),
  };
  await step(boot, "guard", async () => standGuard(surroundings, guard, log), describe);
}

function describe(warnings: number): string {
  if (warnings === 0) return "nothing exposes a secret";
  return warnings === 1 ? "one warning" : `${warnings} warnings`;
}
