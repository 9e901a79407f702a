/** Leaving: the first signal or error starts it, a deadline bounds it, and it always ends in an explicit exit code. */
import { constants } from "node:os";
import { errorName } from "./errors.ts";
import type { Log } from "./log.ts";

/** Why the process ends. */
export type StopCause = (
  | { readonly kind: "signal"; readonly signal: NodeJS.Signals }
  | { readonly kind: "crash"; readonly error: unknown }
  | { readonly kind: "ended" }
) & {
  /** What nobody caught while the process was already stopping. */
  readonly lateErrors: unknown[];
};

export interface StopWatch {
  /** Aborted by the first cause, with it as the reason. */
  readonly signal: AbortSignal;
  readonly cause: Promise<StopCause>;
}

const MOST_LATE_ERRORS = 10;

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
  const lateErrors: unknown[] = [];
  let asked = false;
  const { promise: cause, resolve } = Promise.withResolvers<StopCause>();
  const stop = (reason: StopCause) => {
    resolve(reason);
    abort.abort(reason);
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    target.on(signal, () => {
      if (asked) exitNow(signalExitCode(signal));
      asked = true;
      stop({ kind: "signal", signal, lateErrors });
    });
  }
  // Without a listener for `unhandledRejection`, Node raises a rejection here, and the app may have one of either kind:
  // with handlers of its own it has decided what an uncaught error means to it.
  target.on("uncaughtException", (error) => {
    if (target.listenerCount("uncaughtException") > 1) return;
    if (!abort.signal.aborted) stop({ kind: "crash", error, lateErrors });
    else if (lateErrors.length < MOST_LATE_ERRORS) lateErrors.push(error);
  });
  // The app's own `beforeExit` listeners may give it more to do: it has ended when the loop runs dry once more.
  target.once("beforeExit", () => {
    setImmediate(() => {});
    target.on("beforeExit", () => stop({ kind: "ended", lateErrors }));
  });
  return { signal: abort.signal, cause };
}

export interface Closer {
  readonly name: string;
  close(): unknown;
}

/**
 * Closes everything, last opened first. One that fails does not keep the others from closing; after the deadline they are
 * closed, too, but nobody waits for them.
 * @param timeoutMs for all of them together
 * @returns the names of those that failed or did not finish
 */
export async function closeAll(closers: Closer[], timeoutMs: number, log: Log): Promise<string[]> {
  // The timer comes first: a close that blocks the event loop must not put it off.
  const deadline = AbortSignal.timeout(timeoutMs);
  const late = new Promise<"late">((resolve) =>
    deadline.addEventListener("abort", () => resolve("late"), { once: true }),
  );
  // Not one long timer: a wrapped app's close waits for the moment at which the loop runs dry.
  const keepAlive = () => void setTimeout(() => {}, 20);
  process.on("beforeExit", keepAlive);
  keepAlive();
  const failed: string[] = [];
  // Taken off the list itself, which a close may still add to.
  for (let next = closers.pop(); next; next = closers.pop()) {
    const { name, close } = next;
    const isLate = deadline.aborted;
    try {
      if ((await Promise.race([Promise.resolve().then(close), late])) === "late" && !isLate) {
        log("error", "close.timed_out", `${name} did not close within the shutdown timeout`, { name });
        failed.push(name);
      }
    } catch (error) {
      log("error", "close.failed", `${name} failed to close (${errorName(error)})`, { name });
      failed.push(name);
    }
  }
  process.off("beforeExit", keepAlive);
  return failed;
}
