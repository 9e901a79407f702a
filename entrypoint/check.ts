/** The `check` command: everything that can be found wrong without starting or changing anything. */
import { createAppLog } from "./app/context.ts";
import { SallyportError } from "./errors.ts";
import { logFailure } from "./failure.ts";
import { type BootRequest, fetchSettings, openConfig } from "./load.ts";
import { inspectDatabase, writeExpectations } from "./prepare.ts";
import { endEarly, type RunWorld } from "./run.ts";
import { createSettings } from "./settings/settings.ts";
import { startDeadline, type World } from "./step.ts";
import { checkSurroundings } from "./surroundings.ts";

export interface CheckRequest extends BootRequest {
  /** Writes `database.expect` from the live database instead of checking it. */
  readonly writeSchema: boolean;
}

/** @param print for `--json`: receives one object; otherwise the log has said it all. @returns the exit code */
export async function check(
  request: CheckRequest,
  world: RunWorld,
  print?: (text: string) => void,
): Promise<number> {
  const { log, status } = world;
  const found = await findFailures(request, world).catch((error) => [error as unknown]);
  if (world.signal.aborted && found.includes(world.signal.reason))
    return endEarly(world.signal.reason, world);
  const failures = found.filter((error) => error instanceof SallyportError);
  for (const error of found) if (!(error instanceof SallyportError)) throw error;
  if (failures.length === 0) log("info", "check.completed", "nothing is wrong", { phases: status.timings });
  const exits = failures.map((failure) => logFailure(log, failure));
  const [error, ...more] = failures.map(({ code, message, hint, problems }) => ({
    code,
    message,
    hint,
    problems,
  }));
  print?.(
    JSON.stringify({
      ok: !error,
      phases: status.timings,
      ...(error && { error }),
      ...(more.length > 0 && { more }),
    }),
  );
  return exits[0] ?? 0;
}

/** What is wrong before the database is known is thrown; what is wrong around the process and with it is collected. */
async function findFailures(request: CheckRequest, world: World): Promise<unknown[]> {
  const config = await openConfig(request, world);
  const boot = { ...world, deadline: startDeadline(config.bootTimeoutMs, world.signal) };
  const values = await fetchSettings(config, boot);
  const failures: unknown[] = [];
  await checkSurroundings(config, boot).catch((error) => failures.push(error));
  if (!config.database) return failures;
  const { settings, readText } = createSettings(config.settings, values);
  const options = { directory: config.directory, readText, settings, log: createAppLog(world.log) };
  if (!request.writeSchema) return [...failures, ...(await inspectDatabase(config.database, options, boot))];
  await writeExpectations(config.database, options, boot);
  return failures;
}
