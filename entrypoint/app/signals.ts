/** Keeps a wrapped app's own signal handlers until it is its turn: after the drain delay, in the order of shutdown. */

export interface HeldSignals {
  /** Calls the app's handlers. False when it has none. */
  deliver(signal: NodeJS.Signals): boolean;
}

type Listener = (...args: unknown[]) => void;

/** Handlers that exist now (ours) go on as before; those that the app adds later wait for `deliver`. */
export function holdSignals(held: readonly NodeJS.Signals[]): HeldSignals {
  const target = process as unknown as NodeJS.EventEmitter;
  const ours = new Map(
    held.map((signal) => [signal as string | symbol, new Set(target.rawListeners(signal))]),
  );
  const emit = target.emit;
  const call = (name: string | symbol, args: unknown[], wanted: (listener: unknown) => boolean): boolean => {
    const listeners = target.rawListeners(name).filter(wanted) as Listener[];
    for (const listener of listeners) Reflect.apply(listener, target, args);
    return listeners.length > 0;
  };
  target.emit = (name, ...args) => {
    const own = ours.get(name);
    return own
      ? call(name, args, (listener) => own.has(listener as never))
      : Reflect.apply(emit, target, [name, ...args]);
  };
  return {
    deliver: (signal) => call(signal, [signal], (listener) => !ours.get(signal)?.has(listener as never)),
  };
}
