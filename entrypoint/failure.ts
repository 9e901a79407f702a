/** Ground floor: how a failure is told. Every problem gets a line, then one line says what failed, why, and what to do. */
import { SallyportError } from "./errors.ts";
import type { Log } from "./log.ts";

/** @returns the exit code */
export function logFailure(log: Log, failure: unknown): number {
  const error = failure instanceof SallyportError ? failure : internal(failure);
  const { code, exitCode: exit, problems, hint } = error;
  if (/^(INTERNAL|APP_|WARM_)/.test(code)) logCause(log, error.cause);
  for (const { subject, kind, message } of problems) {
    log("error", `problem.${kind ?? "found"}`, kind ? `${kind}: ${message}` : message, { subject });
  }
  const advice = hint ? ` ${hint}` : "";
  log("error", "run.failed", `${sentence(error.message)}${advice} (${code}, exit ${exit})`, { code, exit });
  return exit;
}

/** The app's own error, or a fault of ours: the stack is needed, and what caused it. The log's mask blanks out known values. */
function logCause(log: Log, cause: unknown): void {
  if (cause === undefined) return;
  const [first, ...rest] = chainOf(cause).map(describe);
  const because = rest.map((it) => `; because of ${it}`).join("");
  const stack = cause instanceof Error && typeof cause.stack === "string" ? { stack: cause.stack } : {};
  log("error", "error.thrown", `${first}${because}`, stack);
}

const DEEPEST_CAUSE = 5;

/** An error with what it names as its causes: `fetch failed` alone says nothing. */
function chainOf(error: unknown, depth = 0): unknown[] {
  if (!(error instanceof Error) || depth === DEEPEST_CAUSE) return [error];
  const named = error instanceof AggregateError ? error.errors.slice(0, 3) : [error.cause];
  return [error, ...named.filter((it) => it !== undefined).flatMap((it) => chainOf(it, depth + 1))];
}

/** Only name, message and code: drivers hang whole commands and URLs on their errors. */
function describe(error: unknown): string {
  if (typeof error === "string") return error;
  if (!(error instanceof Error)) return `something other than an Error (${typeof error})`;
  const { code } = error as { code?: unknown };
  return `${error.name}: ${error.message}${typeof code === "string" ? ` (${code})` : ""}`;
}

function internal(cause: unknown): SallyportError {
  return new SallyportError("INTERNAL", "a fault in Sallyport itself", {
    hint: "Please report it with the stack above.",
    cause,
  });
}

function sentence(text: string): string {
  return /[.?!]$/.test(text) ? text : `${text}.`;
}
