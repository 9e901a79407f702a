/** Fills caches before the app takes its first request. */
import { pathToFileURL } from "node:url";
import { errorName, SallyportError } from "../errors.ts";
import type { Context } from "./context.ts";

/** Runs the module's `warm(settings, context)`, or its default function. @throws {SallyportError} WARM_FAILED */
export async function warmUp(path: string, settings: object, context: Context): Promise<void> {
  try {
    const module = (await import(pathToFileURL(path).href)) as { warm?: unknown; default?: unknown };
    const warm = module.warm ?? module.default;
    if (typeof warm !== "function")
      throw new Error("it exports neither warm(settings, context) nor a default function");
    await warm(settings, context);
  } catch (cause) {
    throw new SallyportError("WARM_FAILED", `${path} failed (${errorName(cause)})`, {
      hint: "Its own error stands above. An app that can do without it catches its errors itself.",
      cause,
    });
  }
}
