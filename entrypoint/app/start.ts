/** Starts an app that was written for Sallyport: a module with `start(settings, context)`. */
import { pathToFileURL } from "node:url";
import { SallyportError } from "../errors.ts";
import type { AppRequest, RunningApp } from "./app.ts";
import type { Context } from "./context.ts";
import { closeServer, isServer } from "./servers.ts";

type Start = (settings: object, context: Context) => unknown;

export async function startModule({ path, args, settings, context }: AppRequest): Promise<RunningApp> {
  process.argv = [process.execPath, path, ...args];
  const module = (await import(pathToFileURL(path).href)) as Record<string, unknown>;
  const start = findStart(module);
  if (!start) throw exportMissing(path, module);
  const running = await start(settings, context);
  return { close: () => closeReturned(running) };
}

/** A CommonJS module arrives as `default`. */
function findStart(module: Record<string, unknown>): Start | undefined {
  const { default: main } = module;
  const candidates = [module.start, (main as { start?: unknown } | null | undefined)?.start, main];
  return candidates.find((it): it is Start => typeof it === "function");
}

async function closeReturned(running: unknown): Promise<void> {
  if (isServer(running)) return closeServer(running);
  const { close } = (running ?? {}) as { close?: unknown };
  if (typeof close === "function") await close.call(running);
}

function exportMissing(path: string, module: Record<string, unknown>): SallyportError {
  const names = Object.keys(module).filter((name) => name !== "module.exports");
  const found = names.length > 0 ? `it exports ${names.join(", ")}` : "it exports nothing";
  return new SallyportError("APP_EXPORT_MISSING", `${path} has no start function: ${found}`, {
    hint: [
      "Export one:",
      "  export async function start(settings, context) {",
      "    return createServer(handler).listen(settings.PORT);",
      "  }",
      'For a server that is not written for Sallyport, the config says "app": { "wrap": "…" }.',
    ].join("\n"),
  });
}
