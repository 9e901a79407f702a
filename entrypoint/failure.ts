/** Ground floor: how a failure is told. Every problem gets a line, then one line says what failed, why, and what to do. */
import { SallyportError } from "./errors.ts";
import type { Log } from "./log.ts";
import { tellError } from "./told-error.ts";

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
export function logCause(log: Log, cause: unknown): void {
  if (cause === undefined) return;
  const { words, because, details, stack } = tellError(cause);
  const message = [words, ...because].join("; because of ");
  log("error", "error.thrown", message, { ...details, ...(stack !== undefined && { stack }) });
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
