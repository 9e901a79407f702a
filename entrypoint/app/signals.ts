/** Keeps a wrapped app's own signal handlers until it is its turn: after the drain delay, in the order of shutdown. */
import { EventEmitter } from "node:events";
import { constants } from "node:os";

export interface HeldSignals {
  /** Calls the app's handlers. False when it has none. */
  deliver(signal: NodeJS.Signals): boolean;
  /** Resolves when the app, its handlers done, sends itself the signal again to end by it. */
  readonly raisedAgain: Promise<void>;
}

type Method = (name: string | symbol, ...rest: unknown[]) => unknown;

const METHODS = [
  ...["on", "once", "off", "addListener", "prependListener", "prependOnceListener"],
  ...["removeListener", "removeAllListeners", "listeners", "rawListeners", "listenerCount"],
];

/**
 * From now on, handlers of these signals live in an emitter of their own, where the app does not meet ours either.
 * Holding back `process.emit` would not do: Node bound the signal to it when the first handler, ours, was added.
 */
export function holdSignals(held: readonly NodeJS.Signals[]): HeldSignals {
  const apps = new EventEmitter();
  const target = process as unknown as Record<string, Method>;
  for (const method of METHODS) {
    const original = target[method] as Method;
    const ofApps = (apps as unknown as Record<string, Method>)[method] as Method;
    target[method] = (name, ...rest) => {
      if (!held.includes(name as NodeJS.Signals)) return Reflect.apply(original, process, [name, ...rest]);
      const result = Reflect.apply(ofApps, apps, [name, ...rest]);
      return result === apps ? process : result;
    };
  }
  hideErrorHandler();
  const delivered = new Set<unknown>();
  return {
    raisedAgain: interceptKill(delivered),
    deliver(signal) {
      delivered.add(signal).add(constants.signals[signal]);
      return apps.emit(signal, signal, constants.signals[signal]);
    },
  };
}

/** Libraries that report errors (Sentry) leave the end of the process to others as soon as they see another handler. */
function hideErrorHandler(): void {
  const { listeners } = process;
  const ours = new Set(process.rawListeners("uncaughtException"));
  process.listeners = (name: string | symbol) =>
    Reflect.apply(listeners, process, [name]).filter((it: never) => !ours.has(it));
}

/** Sending oneself the signal is a handler's usual last word. It would come back as a second one, which exits at once. */
function interceptKill(delivered: ReadonlySet<unknown>): Promise<void> {
  const { kill } = process;
  const { promise, resolve } = Promise.withResolvers<void>();
  process.kill = (pid, signal = "SIGTERM") => {
    if (pid !== process.pid || !delivered.has(signal)) return Reflect.apply(kill, process, [pid, signal]);
    resolve();
    return true;
  };
  return promise;
}
