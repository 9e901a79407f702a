/** Ground floor: how a failure is told. Every problem gets a line, then one line says what failed, why, and what to do. */
import { inspect } from "node:util";
import { SallyportError } from "./errors.ts";
import type { Log } from "./log.ts";

/** @returns the exit code */
export function logFailure(log: Log, failure: unknown): number {
  const error = failure instanceof SallyportError ? failure : internal(failure);
  const { code, exitCode: exit, problems, hint } = error;
  if (code === "INTERNAL" || code.startsWith("APP_")) logCause(log, error.cause);
  for (const { subject, kind, message } of problems) {
    log("error", `problem.${kind ?? "found"}`, kind ? `${kind}: ${message}` : message, { subject });
  }
  const advice = hint ? ` ${hint}` : "";
  log("error", "run.failed", `${sentence(error.message)}${advice} (${code}, exit ${exit})`, { code, exit });
  return exit;
}

/** The app's own error, or a fault of ours: the stack is needed. The log's mask blanks out known values. */
function logCause(log: Log, cause: unknown): void {
  if (cause === undefined) return;
  if (!(cause instanceof Error)) {
    log("error", "error.thrown", `something other than an Error was thrown (${typeof cause})`);
    return;
  }
  // Only name, message and stack: drivers hang whole commands and URLs on their errors.
  const stack = typeof cause.stack === "string" ? cause.stack : inspect(cause.name);
  log("error", "error.thrown", `${cause.name}: ${cause.message}`, { stack });
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
