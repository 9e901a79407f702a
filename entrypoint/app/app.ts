/** The app room: starts the real application in this process, as a function or as an unmodified server. */
import { statSync } from "node:fs";
import { createRequire } from "node:module";
import { errorName, SallyportError } from "../errors.ts";
import type { AppRequest, RunningApp } from "./running-app.ts";
import { startModule } from "./start.ts";
import { wrapServer } from "./wrap.ts";

/** @throws {SallyportError} APP_EXPORT_MISSING or APP_FAILED, with the app's own error as cause */
export async function openApp(request: AppRequest): Promise<RunningApp> {
  try {
    // In place: `import { argv } from "node:process"` is this same array.
    process.argv.splice(1, Number.POSITIVE_INFINITY, request.path, ...request.args);
    // As `node .` does: a folder stands for the main file of its package.
    const isFile = statSync(request.path, { throwIfNoEntry: false })?.isFile();
    const path = isFile ? request.path : createRequire(request.path).resolve(request.path);
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
