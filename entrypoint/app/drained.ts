/** Notices that nothing is left in the process that could run. */
import { SallyportError } from "../errors.ts";

/** Resolves after the app's own `beforeExit` listeners have had their turn. */
export function whenDrained(): Promise<void> {
  return new Promise((resolve) => {
    process.once("beforeExit", () => process.once("beforeExit", () => resolve()));
  });
}

/**
 * Waits for `promise`. Nobody else would notice that it can't settle any more: the process would just end, with exit code 0.
 * @throws {SallyportError} APP_FAILED
 */
export async function settled<T>(promise: Promise<T>, what: string): Promise<T> {
  const stuck = Promise.withResolvers<never>();
  const giveUp = () =>
    stuck.reject(
      new SallyportError("APP_FAILED", `${what} never settled, and nothing is left that could run`, {
        hint: "Look for a promise that nobody resolves.",
      }),
    );
  process.once("beforeExit", giveUp);
  try {
    return await Promise.race([promise, stuck.promise]);
  } finally {
    process.off("beforeExit", giveUp);
  }
}

/**
 * Crashes the app when its main module is still waiting at the end. Node's own exit code for it, 13, is lost in an explicit exit.
 * Asking for the module again joins the run that is under way; asking sooner could come before Node has marked it as the main one.
 */
export function watchForStuckModule(url: string): void {
  let isSettled = false;
  process.prependOnceListener("beforeExit", () => {
    import(url)
      .catch(() => {})
      .finally(() => {
        isSettled = true;
      });
    process.prependOnceListener("beforeExit", () => {
      const error = new Error(
        `the top-level await of ${url} never settled, and nothing is left that could run`,
      );
      if (!isSettled) (process as NodeJS.EventEmitter).emit("uncaughtException", error, "uncaughtException");
    });
  });
}
