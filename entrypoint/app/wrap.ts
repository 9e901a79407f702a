/** Runs an unmodified server as `node server.js` would: main guards hold, `process.argv` and `process.env` are what it expects. */
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { watchForStuckModule, whenDrained } from "./drained.ts";
import { installOverlay } from "./overlay.ts";
import type { AppRequest, RunningApp } from "./running-app.ts";
import { watchServers } from "./servers.ts";
import { holdSignals } from "./signals.ts";

/** How long an app's own handlers may take to close its servers, and to end after that. */
const PATIENCE_MS = 10_000;

export async function wrapServer({ path, ready, names, readText }: AppRequest): Promise<RunningApp> {
  const signals = holdSignals(["SIGTERM", "SIGINT"]);
  const watch = watchServers();
  installOverlay(names, readText);

  // `import()` would run the file with `require.main` and `import.meta.main` false; this is how Node itself starts a script.
  const Module = process.getBuiltinModule("node:module") as unknown as { runMain(path: string): void };
  Module.runMain(path);
  watchForStuckModule(pathToFileURL(path).href);
  // It gives no promise back, and a worker may well await its life's work at the top level, so "loaded" waits for no module.
  await (ready === "listening" ? watch.listening : nextTurn());

  return {
    async close(signal) {
      watch.drain();
      if (signal === undefined || !signals.deliver(signal)) return watch.close();
      // An app that handles the signal knows how it wants to end: it may have more to do when its servers have closed.
      // Some handlers only take note of it, and some apps leave a connection open that would keep them running.
      const ended = Promise.race([signals.raisedAgain, whenDrained()]);
      await Promise.race([ended, watch.whenClosed(), patience()]);
      await watch.close();
      await Promise.race([ended, patience()]);
    },
  };
}

function patience(): Promise<void> {
  return delay(PATIENCE_MS, undefined, { ref: false });
}
