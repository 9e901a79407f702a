/** What it takes to start an app, and what one is that runs. */
import type { Context } from "./context.ts";

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
