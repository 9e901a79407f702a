/** Leaving: the first signal or error starts it, a deadline bounds it, and it always ends in an explicit exit code. */
import { constants } from "node:os";
import { errorName } from "./errors.ts";
import type { Log } from "./log.ts";

/** Why the process ends. */
export type StopCause =
  | { readonly kind: "signal"; readonly signal: NodeJS.Signals }
  | { readonly kind: "crash"; readonly error: unknown }
  | { readonly kind: "ended" };

export interface StopWatch {
  /** Aborted by the first cause, with it as the reason. */
  readonly signal: AbortSignal;
  readonly cause: Promise<StopCause>;
}

/** As shells say it: 143 for SIGTERM, 130 for SIGINT. */
export function signalExitCode(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

/**
 * Watches for the first reason to stop. A second signal exits at once.
 * As PID 1 a signal without a handler is ignored by the kernel, so the handlers stay until the end and nothing is re-raised.
 */
export function watchForStop(target: NodeJS.Process, exitNow: (code: number) => void): StopWatch {
  const abort = new AbortController();
  const { promise: cause, resolve } = Promise.withResolvers<StopCause>();
  const stop = (reason: StopCause) => {
    resolve(reason);
    abort.abort(reason);
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    let asked = false;
    target.on(signal, () => {
      if (asked || isSignal(abort.signal.reason)) exitNow(signalExitCode(signal));
      asked = true;
      stop({ kind: "signal", signal });
    });
  }
  // An app with handlers of its own has decided what an uncaught error means to it.
  target.on("uncaughtException", (error) => {
    if (target.listenerCount("uncaughtException") === 1) stop({ kind: "crash", error });
  });
  target.on("unhandledRejection", (error) => {
    if (target.listenerCount("unhandledRejection") === 1) stop({ kind: "crash", error });
  });
  target.on("beforeExit", () => stop({ kind: "ended" }));
  return { signal: abort.signal, cause };
}

function isSignal(reason: unknown): boolean {
  return (reason as StopCause | undefined)?.kind === "signal";
}

export interface Closer {
  readonly name: string;
  close(): unknown;
}

/**
 * Closes everything, last opened first. One that fails or hangs does not keep the others from closing.
 * @param timeoutMs for all of them together
 * @returns the names of those that failed or did not finish
 */
export async function closeAll(closers: readonly Closer[], timeoutMs: number, log: Log): Promise<string[]> {
  // The timer comes first: a close that blocks the event loop must not put it off.
  const deadline = AbortSignal.timeout(timeoutMs);
  const late = new Promise<"late">((resolve) =>
    deadline.addEventListener("abort", () => resolve("late"), { once: true }),
  );
  const keepAlive = setTimeout(() => {}, timeoutMs);
  const failed: string[] = [];
  for (const { name, close } of closers.toReversed()) {
    try {
      if ((await Promise.race([Promise.resolve().then(close), late])) === "late") {
        log("error", "close.timed_out", `${name} did not close within the shutdown timeout`, { name });
        failed.push(name);
      }
    } catch (error) {
      log("error", "close.failed", `${name} failed to close (${errorName(error)})`, { name });
      failed.push(name);
    }
  }
  clearTimeout(keepAlive);
  return failed;
}
