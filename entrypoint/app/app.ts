/** The app room: starts the real application in this process, as a function or as an unmodified server. */
import { createRequire } from "node:module";
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
    // In place: `import { argv } from "node:process"` is this same array.
    process.argv.splice(1, Number.POSITIVE_INFINITY, request.path, ...request.args);
    // As `node .` does: a folder stands for the main file of its package.
    const path = createRequire(import.meta.url).resolve(request.path);
    return await (request.wrap ? wrapServer : startModule)({ ...request, path });
  } catch (error) {
    if (error instanceof SallyportError) throw error;
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
