/** How the `check` command tells what it found. */
import type { World } from "./boot.ts";
import { SallyportError } from "./errors.ts";
import { logFailure } from "./failure.ts";

/** @param print for `--json`: receives one object; otherwise the log has said it all. @returns the exit code */
export async function reportCheck(
  check: () => Promise<void>,
  { log, status }: World,
  print?: (text: string) => void,
): Promise<number> {
  const failure = await check().then(
    () => undefined,
    (error: unknown) => error,
  );
  if (failure !== undefined && !(failure instanceof SallyportError)) throw failure;
  if (!failure) log("info", "check.completed", "nothing is wrong", { phases: status.timings });
  const exit = failure ? logFailure(log, failure) : 0;
  const { code, message, hint, problems } = failure ?? {};
  print?.(
    JSON.stringify({
      ok: !failure,
      phases: status.timings,
      ...(failure && { error: { code, message, hint, problems } }),
    }),
  );
  return exit;
}
