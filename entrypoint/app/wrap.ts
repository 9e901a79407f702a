/** Runs an unmodified server as `node server.js` would: main guards hold, `process.argv` and `process.env` are what it expects. */
import Module from "node:module";
import { pathToFileURL } from "node:url";
import type { AppRequest, RunningApp } from "./app.ts";
import { installOverlay } from "./overlay.ts";
import { closeServer, watchServers, whenClosed } from "./servers.ts";
import { holdSignals } from "./signals.ts";

export async function wrapServer({ path, ready, args, names, readText }: AppRequest): Promise<RunningApp> {
  process.argv = [process.execPath, path, ...args];
  installOverlay(names, readText);
  const signals = holdSignals(["SIGTERM", "SIGINT"]);
  const watch = watchServers();

  // `import()` would run the file with `require.main` and `import.meta.main` false; this is how Node itself starts a script.
  (Module as unknown as { runMain(path: string): void }).runMain(path);
  // It gives no promise back. The module is the same instance here, so this waits for its top-level await.
  await import(pathToFileURL(path).href);
  if (ready === "listening") await watch.listening;

  return {
    async close(signal) {
      watch.stop();
      // An app that handles the signal knows how it wants to end; one that does not is ended like any server.
      if (signal && signals.deliver(signal)) await whenClosed(watch.servers);
      else await Promise.all([...watch.servers].map(closeServer));
    },
  };
}
