/** The app room: starts the real application in this process, as a function or as an unmodified server. */
import { errorName, SallyportError } from "../errors.ts";
import type { Context } from "./context.ts";
import { startModule } from "./start.ts";
import { wrapServer } from "./wrap.ts";

export interface RunningApp {
  /** Stops taking work and resolves when what runs has finished. `signal` is the one that ends the process, if any. */
  close(signal: NodeJS.Signals | undefined): Promise<void>;
}

export interface AppRequest {
  /** Absolute. */
  readonly path: string;
  readonly wrap: boolean;
  /** When a wrapped app counts as ready. */
  readonly ready: "listening" | "loaded";
  /** What follows the app on the command line. */
  readonly args: readonly string[];
  readonly settings: object;
  /** A setting's text by name, for a wrapped app's `process.env`. */
  readonly readText: (name: string) => string | undefined;
  readonly names: readonly string[];
  readonly context: Context;
}

/** @throws {SallyportError} APP_EXPORT_MISSING or APP_FAILED, with the app's own error as cause */
export async function openApp(request: AppRequest): Promise<RunningApp> {
  try {
    return await (request.wrap ? wrapServer(request) : startModule(request));
  } catch (error) {
    if (error instanceof SallyportError || error === request.context.signal.reason) throw error;
    throw new SallyportError(
      "APP_FAILED",
      `${request.path} threw while it was starting (${errorName(error)})`,
      {
        hint: "The app's own error stands above.",
        cause: error,
      },
    );
  }
}
