/** Who in the app wants to know of a refresh. */
import { abortable } from "../abort.ts";
import type { AppLog, RefreshListener } from "./context.ts";

/** How long the answer to a refresh waits for what the app does on it. */
const PATIENCE_MS = 10_000;

export interface Subscribers {
  add(listener: RefreshListener): void;
  /** Tells all at once. @returns how many failed, or were not done in time; the log says how */
  tell(changed: readonly string[]): Promise<number>;
}

/** @param stop whoever is asked to stop waits for them no longer */
export function createSubscribers(log: AppLog, stop: AbortSignal): Subscribers {
  const listeners = new Set<RefreshListener>();
  return {
    add: (listener) => void listeners.add(listener),
    async tell(changed) {
      const signal = AbortSignal.any([stop, AbortSignal.timeout(PATIENCE_MS)]);
      const told = [...listeners].map((listener) => abortable(call(listener, changed), signal));
      const failures = (await Promise.allSettled(told)).filter(({ status }) => status === "rejected");
      for (const { reason } of failures as PromiseRejectedResult[])
        log.error("an onRefresh function failed; the new settings are in use all the same", reason);
      return failures.length;
    },
  };
}

async function call(listener: RefreshListener, changed: readonly string[]): Promise<unknown> {
  return listener([...changed]); // what an app does to it is not in our answer
}
