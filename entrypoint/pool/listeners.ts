/** The listeners that an app has added through a handle: they follow it from pool to pool. */

type Listener = ((...args: unknown[]) => void) & { listener?: Listener };

/** The half of an EventEmitter that is needed here. */
export interface Emitter {
  on(event: PropertyKey, listener: Listener): unknown;
  prependListener(event: PropertyKey, listener: Listener): unknown;
  removeListener(event: PropertyKey, listener: Listener): unknown;
}

interface Kept {
  readonly event: PropertyKey;
  readonly listener: Listener;
  readonly isFirst: boolean;
}

export interface Listeners {
  /** Stands in for the emitter's method of that name. */
  method(name: PropertyKey): ((...args: never[]) => void) | undefined;
  /** From now on it is heard, too; of one that is not in use yet, only these events. */
  follow(emitter: object, only?: readonly PropertyKey[]): void;
  forget(emitter: object): void;
}

/** An old pool is heard until it is forgotten: what still runs on it is the app's. */
export function createListeners(): Listeners {
  const emitters = new Set<Emitter>();
  const kept = new Set<Kept>();
  const attached = new WeakMap<Emitter, WeakSet<Kept>>();

  const attach = (emitter: Emitter, it: Kept) => {
    const known = attached.get(emitter) ?? new WeakSet();
    if (known.has(it)) return;
    attached.set(emitter, known.add(it));
    if (it.isFirst) emitter.prependListener(it.event, it.listener);
    else emitter.on(it.event, it.listener);
  };
  const keep = (it: Kept) => {
    kept.add(it);
    for (const emitter of emitters) attach(emitter, it);
  };
  const drop = (it: Kept) => {
    kept.delete(it);
    for (const emitter of emitters) emitter.removeListener(it.event, it.listener);
  };
  const add = (isFirst: boolean) => (event: PropertyKey, listener: Listener) =>
    keep({ event, listener, isFirst });
  const addOnce = (isFirst: boolean) => (event: PropertyKey, listener: Listener) => {
    const once: Listener = function (this: unknown, ...args) {
      // Whichever pool says it first: it is gone from all of them.
      drop(it);
      Reflect.apply(listener, this, args);
    };
    once.listener = listener;
    const it = { event, listener: once, isFirst };
    keep(it);
  };
  const remove = (event: PropertyKey, listener: Listener) => {
    const it = [...kept].findLast(
      (each) => each.event === event && (each.listener === listener || each.listener.listener === listener),
    );
    if (it) drop(it);
  };
  const methods = new Map<PropertyKey, (...args: never[]) => void>(
    Object.entries({
      on: add(false),
      addListener: add(false),
      prependListener: add(true),
      once: addOnce(false),
      prependOnceListener: addOnce(true),
      off: remove,
      removeListener: remove,
      // The library's own listeners stay, and so does the one that keeps an error from ending the process.
      removeAllListeners(event?: PropertyKey) {
        for (const it of [...kept]) if (event === undefined || it.event === event) drop(it);
      },
    }),
  );
  return {
    method: (name) => methods.get(name),
    follow(emitter, only) {
      if (!isEmitter(emitter)) return;
      if (!only) emitters.add(emitter);
      for (const it of kept) if (!only || only.includes(it.event)) attach(emitter, it);
    },
    forget: (emitter) => void emitters.delete(emitter as Emitter),
  };
}

export function isEmitter(it: object): it is Emitter {
  const { on, prependListener, removeListener } = it as Partial<Emitter>;
  return [on, prependListener, removeListener].every((method) => typeof method === "function");
}
