/** The `run` command: boots, waits for a reason to stop, and leaves by the same road whatever the reason was. */
import { setTimeout as delay } from "node:timers/promises";
import { boot, migrateOnly } from "./boot.ts";
import { errorName, SallyportError } from "./errors.ts";
import { logCause, logFailure } from "./failure.ts";
import type { BootRequest } from "./load.ts";
import { isDockerRestart, restartPauseMs, TOLD_MS, taskPauseMs } from "./restart.ts";
import { closeAll, type StopCause, signalExitCode } from "./shutdown.ts";
import { enter, type Status } from "./status.ts";
import type { World } from "./step.ts";

export interface RunWorld extends World {
  readonly cause: Promise<StopCause>;
  /** A person is watching: no need to keep traffic or a restart loop waiting. */
  readonly terminal: boolean;
  /** What the app has set as the process's exit code. */
  appExitCode(): number;
}

const DRAIN_DELAY_MS = 5_000;

/** @returns the exit code */
export async function run(request: BootRequest, world: RunWorld): Promise<number> {
  try {
    const config = await boot(request, world);
    const cause = await world.cause;
    const { shutdownTimeoutMs } = config;
    const usualMs = world.terminal ? 0 : Math.min(DRAIN_DELAY_MS, shutdownTimeoutMs / 2);
    const { drainDelayMs = usualMs } = config;
    return await leave(cause, { shutdownTimeoutMs, drainDelayMs }, world);
  } catch (error) {
    return fail(error, world);
  }
}

/** The `migrate` command. @returns the exit code */
export async function runMigrate(request: BootRequest, world: RunWorld): Promise<number> {
  try {
    await migrateOnly(request, world);
    await closeAll(world.closers, world.status.shutdownTimeoutMs, world.log);
    return 0;
  } catch (error) {
    return fail(error, world, taskPauseMs);
  }
}

async function fail(error: unknown, world: RunWorld, pauseMs = restartPauseMs): Promise<number> {
  const { signal, status, closers, log } = world;
  const stopped = signal.aborted && error === signal.reason ? (error as StopCause) : undefined;
  const code = stopped ? endEarly(stopped, world) : logFailure(log, error);
  if (!stopped) enter(status, "failed");
  if (!stopped && !world.terminal) await pauseBeforeRestart(error, world, pauseMs);
  await closeAll(closers, status.shutdownTimeoutMs, log);
  return code;
}

interface Leaving {
  readonly shutdownTimeoutMs: number;
  readonly drainDelayMs: number;
}

async function leave(
  cause: StopCause,
  { shutdownTimeoutMs, drainDelayMs }: Leaving,
  world: RunWorld,
): Promise<number> {
  const { status, closers, log } = world;
  const started = performance.now();
  enter(status, "stopping");
  const why =
    cause.kind === "signal" ? cause.signal : cause.kind === "crash" ? "an uncaught error" : "the app's end";
  log("info", "shutdown.started", `stopping: ${why}`, { cause: cause.kind });
  let code = cause.kind === "crash" ? logFailure(log, crashed(cause.error)) : undefined;
  // Routers go on sending for seconds after the signal; after a crash there is nothing to wait for.
  if (cause.kind === "signal") await delay(drainDelayMs);
  const remainingMs = Math.max(0, Math.round(shutdownTimeoutMs - (performance.now() - started)));
  const failed = await closeAll(closers, remainingMs, log);
  const ms = Math.round(performance.now() - started);
  log("info", "shutdown.completed", `stopped in ${ms} ms`, { ms });
  for (const error of cause.lateErrors) code = logFailure(log, crashed(error));
  if (failed.length > 0) code ??= logFailure(log, notClosed(failed));
  return code ?? world.appExitCode();
}

/** Before the app was ready. @returns the exit code */
export function endEarly(cause: StopCause, { status, log, appExitCode }: RunWorld): number {
  const { phase } = status;
  enter(status, "stopping");
  if (cause.kind === "signal") {
    log("warn", "boot.stopped", `${cause.signal} in phase ${phase}: stopped before ready`, {
      phase,
      signal: cause.signal,
    });
    return signalExitCode(cause.signal);
  }
  if (cause.kind === "crash") {
    const failed = new SallyportError(
      "APP_FAILED",
      `an error that nobody caught, in phase ${phase} (${errorName(cause.error)})`,
      {
        hint: "The error itself stands above.",
        cause: cause.error,
      },
    );
    return logFailure(log, failed);
  }
  if (phase !== "app") return logFailure(log, stuck(phase));
  log("warn", "app.ended", "the app ended by itself before it was ready: nothing is left that could run", {
    phase,
  });
  return appExitCode();
}

async function pauseBeforeRestart(
  error: unknown,
  { signal, log }: RunWorld,
  pauseMs: typeof restartPauseMs,
): Promise<void> {
  if (!(error instanceof SallyportError)) return;
  const again = isDockerRestart();
  const waitMs = pauseMs(error, { ranMs: process.uptime() * 1000, again }, Math.random);
  if (waitMs === 0) return;
  const time = waitMs < 120_000 ? `${Math.ceil(waitMs / 1000)} s` : `${Math.ceil(waitMs / 60_000)} min`;
  const message = `exiting in ${time}, so that restarts do no harm; restart the container when it is mended`;
  if (waitMs >= TOLD_MS) log("warn", "exit.delayed", message, { waitMs, again });
  await delay(waitMs, undefined, { signal }).catch(() => {});
  const cause = signal.reason as StopCause | undefined;
  if (cause?.kind === "crash") logCause(log, cause.error);
}

function stuck(phase: Status["phase"]): SallyportError {
  return new SallyportError(
    "BOOT_TIMEOUT",
    `phase ${phase} waits for something that never comes, and nothing is left that could run`,
    {
      hint: "Look for a promise that nobody resolves, in the config or in a validator.",
    },
  );
}

function crashed(cause: unknown): SallyportError {
  return new SallyportError(
    "APP_CRASHED",
    `an error that nobody caught ended the app (${errorName(cause)})`,
    {
      hint: "The error itself stands above.",
      cause,
    },
  );
}

function notClosed(names: readonly string[]): SallyportError {
  return new SallyportError("SHUTDOWN_FAILED", `${names.join(", ")} did not close as it should`, {
    hint: "Make its close function return in time, or raise shutdownTimeout (and the platform's stop timeout above it).",
  });
}
