/** What Node prints or writes about an error without asking anybody: the last one, and the one in a diagnostic report. */
import { errorName, SallyportError } from "../errors.ts";
import { logFailure } from "../failure.ts";
import type { Log } from "../log.ts";
import { strippedError } from "../told-error.ts";
import type { Mask } from "./mask.ts";

type Emit = (name: string | symbol, ...args: unknown[]) => boolean;
type Capture = ((error: Error) => void) | null;

/** @param exit ends the process at once, as Node would */
export function maskLastWords(mask: Mask, log: Log, exit: (code: number) => void): void {
  const crash = (error: unknown) => exit(logFailure(log, crashed(error)));
  const { emit, setUncaughtExceptionCaptureCallback: setCapture } = process;
  const emitAny = emit as Emit;
  // Then no road is left that the error could take: what it waits for does not come any more.
  let isLeaving = false;
  process.on("exit", () => {
    isLeaving = true;
  });
  // A handler of the app's that throws, and an app that has taken all handlers away: in both cases Node prints the error as it is.
  process.emit = function (this: NodeJS.Process, name: string | symbol, ...args: unknown[]): boolean {
    if (name !== "uncaughtException" && name !== "uncaughtExceptionMonitor")
      return Reflect.apply(emitAny, this, [name, ...args]);
    const isOurs = name === "uncaughtException" && process.listenerCount(name) <= 1;
    if (isLeaving && isOurs) crash(args[0]);
    try {
      if (Reflect.apply(emitAny, this, [name, ...args]) || name !== "uncaughtException") return true;
      crash(args[0]);
    } catch (error) {
      crash(error);
    }
    return true;
  } as NodeJS.Process["emit"];
  process.setUncaughtExceptionCaptureCallback = (capture: Capture) => {
    setCapture(capture && ((error) => attempt(() => capture(error), crash)));
  };
  maskReports(mask);
}

function attempt(work: () => void, crash: (error: unknown) => void): void {
  try {
    work();
  } catch (error) {
    crash(error);
  }
}

function crashed(cause: unknown): SallyportError {
  const message = `an error that nobody caught, or a handler's own, ended the app (${errorName(cause)})`;
  return new SallyportError("APP_CRASHED", message, { hint: "The error itself stands above.", cause });
}

/** A report tells an error with all its properties, to a file. */
function maskReports(mask: Mask): void {
  const { report } = process;
  if (!report) return;
  const { getReport } = report;
  const writeReport = report.writeReport as (...args: unknown[]) => string;
  const strip = (error: unknown) => {
    if (error === undefined) return undefined;
    const stripped = strippedError(error);
    const { message, stack = message } = stripped;
    return Object.assign(stripped, { message: mask.apply(message), stack: mask.apply(stack) });
  };
  report.getReport = (error?: Error) => getReport.call(report, strip(error));
  report.writeReport = (file?: string | Error, error?: Error) =>
    typeof file === "string"
      ? writeReport.call(report, file, strip(error))
      : writeReport.call(report, strip(file));
}
