/** Starts an app that was written for Sallyport: a module with `start(settings, context)`. */
import { Server } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { SallyportError } from "../errors.ts";
import type { Context } from "./context.ts";
import { settled } from "./drained.ts";
import type { AppRequest, RunningApp } from "./running-app.ts";
import { watchServers } from "./servers.ts";

type Start = (settings: object, context: Context) => unknown;

export async function startModule({ path, settings, context }: AppRequest): Promise<RunningApp> {
  const watch = watchServers();
  const module: Record<string, unknown> = await settled(
    import(pathToFileURL(path).href),
    `the top-level await of ${path}`,
  );
  const start = findStart(module);
  if (!start) throw exportMissing(path, module);
  const running = await settled(Promise.resolve(start(settings, context)), `start() of ${path}`);
  // A port that is in use shows a turn later; it belongs to the start.
  await nextTurn();
  return {
    async close() {
      watch.drain();
      await closeReturned(running);
    },
  };
}

/** A CommonJS module arrives as `default`. */
function findStart(module: Record<string, unknown>): Start | undefined {
  const { default: main } = module;
  for (const owner of [module, main] as { start?: unknown }[]) {
    if (typeof owner?.start === "function") return owner.start.bind(owner) as Start;
  }
  return typeof main === "function" ? (main as Start) : undefined;
}

async function closeReturned(running: unknown): Promise<void> {
  const { close } = (running ?? {}) as { close?: unknown };
  if (typeof close !== "function") return;
  // A server takes a callback where others return a promise; when it is not open, it has nothing to say to it.
  if (running instanceof Server) await new Promise((resolve) => close.call(running, resolve));
  else await close.call(running);
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
