/** One phase of the corridor: its time, its line in the log, and the moment at which a stop or the deadline ends the boot. */
import { abortable, isTimeout } from "./abort.ts";
import { SallyportError } from "./errors.ts";
import type { Mask } from "./guard/mask.ts";
import type { Log } from "./log.ts";
import type { Closer } from "./shutdown.ts";
import { enter, type Phase, type Status } from "./status.ts";

/** What the process hands in. */
export interface World {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly log: Log;
  readonly mask: Mask;
  readonly status: Status;
  /** Aborted when the process is asked to stop. */
  readonly signal: AbortSignal;
  /** Whatever has been opened, in order. */
  readonly closers: Closer[];
  /** Bootstrap variables that a hardened process was started with, before it was. */
  readonly handedOver: Readonly<Record<string, string>>;
  /** Starts Node again in the place of this process; only returns where that can't be done. */
  replace(options: readonly string[], env: Record<string, string>): void;
  /** Deletes a variable from the real environment. */
  forget(name: string): void;
  /** SIGHUP, where no terminal sends it. */
  onHangup(listener: () => void): void;
}

/** The world while it boots, under `bootTimeout`. */
export interface Boot extends World {
  readonly deadline: Deadline;
}

export interface Deadline {
  /** Aborted by a stop, and by the deadline. */
  readonly signal: AbortSignal;
  /** The same, a moment later: what obeys the first one has told by then why it did not come to an end. */
  readonly giveUp: AbortSignal;
  /** Migrations have a deadline of their own. */
  pause(): void;
  resume(): void;
}

const GRACE_MS = 250;

export function startDeadline(ms: number, stop: AbortSignal): Deadline {
  const late = new AbortController();
  const giveUp = new AbortController();
  late.signal.addEventListener("abort", () => setTimeout(() => giveUp.abort(late.signal.reason), GRACE_MS));
  let remainingMs = ms;
  let started = 0;
  let timer: NodeJS.Timeout | undefined;
  const resume = () => {
    started = performance.now();
    timer = setTimeout(
      () => late.abort(new DOMException("the deadline passed", "TimeoutError")),
      remainingMs,
    ).unref();
  };
  const pause = () => {
    clearTimeout(timer);
    remainingMs -= performance.now() - started;
  };
  resume();
  return {
    signal: AbortSignal.any([stop, late.signal]),
    giveUp: AbortSignal.any([stop, giveUp.signal]),
    pause,
    resume,
  };
}

export async function step<T>(
  world: World | Boot,
  phase: Phase,
  work: () => Promise<T>,
  describe: (result: T) => string,
): Promise<T> {
  const { log, status, signal } = world;
  enter(status, phase);
  const started = performance.now();
  const elapsed = () => Math.round(performance.now() - started);
  try {
    signal.throwIfAborted();
    // Neither a stop nor the deadline waits for work that hangs.
    const result = await abortable(work(), "deadline" in world ? world.deadline.giveUp : signal);
    status.timings[phase] = elapsed();
    log("info", "phase.completed", describe(result), { phase, ms: elapsed() });
    return result;
  } catch (thrown) {
    const error = isTimeout(thrown) ? tooLate(phase) : thrown;
    if (error instanceof SallyportError) log("error", "phase.failed", error.code, { phase, ms: elapsed() });
    throw error;
  }
}

function tooLate(phase: Phase): SallyportError {
  const hint =
    phase === "app"
      ? 'Is start() waiting for something? A wrapped app counts as ready when it listens; one that serves no port says "ready": "loaded".'
      : "Raise bootTimeout if this is the time it takes.";
  return new SallyportError("BOOT_TIMEOUT", `bootTimeout passed in phase ${phase}`, { hint });
}
