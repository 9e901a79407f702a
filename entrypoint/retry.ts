/** Ground floor: tries again what may pass by itself, until the caller's signal says stop. */
import { setTimeout as delay } from "node:timers/promises";
import { isTimeout } from "./abort.ts";
import { LONGEST_TIMER_MS } from "./duration.ts";
import { SallyportError } from "./errors.ts";
import type { Log } from "./log.ts";

/** A failure that may be gone in a moment: a network fault, a 5xx, a throttled call. Everything else is thrown as what it is. */
export class TransientError extends Error {
  override readonly name = "TransientError";
  /** What the other side asked us to wait, in milliseconds. */
  readonly retryAfterMs: number;
  /** A part of the work has been done since the last try, so the next wait is a first one again. */
  readonly progressed: boolean;

  /** `reason` is in our words or the vendor's code, never a body. */
  constructor(
    reason: string,
    {
      retryAfterMs = 0,
      progressed = false,
      cause,
    }: { retryAfterMs?: number; progressed?: boolean; cause?: unknown } = {},
  ) {
    super(reason, { cause });
    this.retryAfterMs = retryAfterMs;
    this.progressed = progressed;
  }
}

/** Time and chance, where they are not the world's own. */
export interface Pace {
  readonly random?: () => number;
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

export interface RetryOptions extends Pace {
  /** Whom we talk to, for messages: `Secrets Manager in eu-west-1`. */
  readonly target: string;
  readonly signal: AbortSignal;
  readonly log: Log;
  /** What a passed deadline means; by default, that the manager is unreachable. */
  readonly unreachable?: (target: string, why: string, cause: unknown) => Error;
}

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5_000;
/** With 2, the last of a thousand containers would wait long after the manager has got room again: see test/bench/fleet.ts. */
const GROWTH = 1.5;

/**
 * Calls `attempt` until it returns or throws something that is not a `TransientError`.
 * Waits by "full jitter" (a random time up to an exponential bound), and never shorter than the other side asked.
 * @throws {SallyportError} MANAGER_UNREACHABLE when the signal's deadline passes while it waits or tries
 */
export async function retry<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  const {
    target,
    signal,
    log,
    random = Math.random,
    sleep = (ms) => delay(ms, undefined, { signal }),
  } = options;
  let last: TransientError | undefined;
  let waits = 0;
  for (let tries = 1; ; tries++) {
    try {
      signal.throwIfAborted();
      return await attempt();
    } catch (error) {
      if (signal.aborted) throw ended(options, last ?? error);
      if (!(error instanceof TransientError)) throw error;
      last = error;
      if (error.progressed) waits = 0;
    }
    const boundMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * GROWTH ** waits++);
    const waitMs = Math.min(LONGEST_TIMER_MS, Math.round(last.retryAfterMs + random() * boundMs));
    log("warn", "request.retried", `${target}: ${last.message}; try ${tries + 1} in ${waitMs} ms`, {
      tries,
      waitMs,
    });
    await sleep(waitMs, signal).catch(() => {});
  }
}

/** A stop request stays what it is; a deadline becomes the reason for which the tries before it failed. */
function ended({ target, signal, unreachable = managerUnreachable }: RetryOptions, last: unknown): unknown {
  if (!isTimeout(signal.reason)) return signal.reason;
  return unreachable(target, last instanceof TransientError ? last.message : "no answer", last);
}

function managerUnreachable(target: string, why: string, cause: unknown): SallyportError {
  return new SallyportError("MANAGER_UNREACHABLE", `${target} could not be reached in time: ${why}`, {
    hint: "Check the address, the network route and DNS from inside this container, and the manager's own status.",
    cause,
  });
}
