/** The handle: behaves as the pool itself, and is always the current one. */
import { inspect } from "node:util";
import { createListeners, isEmitter } from "./listeners.ts";
import type { Links } from "./pool-kind.ts";

export interface Handle<P extends object> {
  readonly proxy: P;
  /** The app has called its `end()`, or what the library calls it. */
  readonly hasEnded: boolean;
  /** The app's listeners for these events hear a pool that is not in use yet. */
  introduce(candidate: object, events: readonly string[]): void;
  /** From the next call on, it is `fresh`. The app's listeners hear both, until the old one is forgotten. */
  replace(fresh: P): void;
  forget(old: P): void;
}

type Members = Record<PropertyKey, unknown>;
type Method = (this: unknown, ...args: unknown[]) => unknown;

/** What a handle and the views that hang on it have in common. */
interface Shared {
  readonly label: string;
  readonly links: Links;
  readonly onEnd: () => void;
}

/** @param label what is printed for it: a pool's insides hold passwords */
export function createHandle<P extends object>(first: P, label: string, links: Links = {}): Handle<P> {
  let current = first;
  let hasEnded = false;
  const onEnd = () => {
    hasEnded = true;
  };
  const mirror = new Mirror(() => current, { label, links, onEnd });
  mirror.follow(first);
  return {
    proxy: mirror.proxy as P,
    get hasEnded() {
      return hasEnded;
    },
    introduce: (candidate, events) => mirror.introduce(candidate, events),
    replace(fresh) {
      current = fresh;
      mirror.follow(fresh);
    },
    forget: (old) => mirror.forget(old),
  };
}

/** A proxy that stands for whatever object `source` gives at the moment. */
class Mirror {
  readonly proxy: object;
  readonly #source: () => Members;
  readonly #shared: Shared;
  readonly #listeners = createListeners();
  readonly #methods = new Map<PropertyKey, Method>();
  readonly #views = new Map<PropertyKey, Mirror>();
  /** Functions that the app has put in the place of methods: they may call what they replace, and outlive the pool. */
  readonly #replaced = new Map<PropertyKey, unknown>();

  constructor(source: () => object, shared: Shared) {
    this.#source = source as () => Members;
    this.#shared = shared;
    this.proxy = new Proxy(blank(source(), shared.label), trapsOf(this, source));
  }

  get(key: PropertyKey): unknown {
    if (this.#replaced.size > 0 && this.#replaced.has(key)) return this.#replaced.get(key);
    const value = this.#source()[key];
    if (typeof value === "function") {
      return this.#methods.get(key) ?? (isClass(value) ? value : this.#makeMethod(key, value as Method));
    }
    if (this.#shared.links[key] !== "view" || typeof value !== "object") return value;
    return this.#view(key, (pool) => pool[key] as object);
  }

  /** @returns whether it was a function, and stays here */
  replace(key: PropertyKey, value: unknown): boolean {
    if (typeof value !== "function") return false;
    // What was taken from the pool and is put back is not the app's.
    if (value === this.#source()[key]) this.#replaced.delete(key);
    else this.#replaced.set(key, value);
    return true;
  }

  restore(key: PropertyKey): boolean {
    return this.#replaced.delete(key);
  }

  has(key: PropertyKey): boolean {
    return this.#replaced.has(key) || key in this.#source();
  }

  follow(pool: object): void {
    this.#listeners.follow(pool);
    for (const view of this.#views.values()) view.#source();
  }

  introduce(candidate: object, events: readonly string[]): void {
    this.#listeners.follow(candidate, events);
  }

  forget(pool: object): void {
    this.#listeners.forget(pool);
  }

  /** One function for each name, whatever the pool: whoever took it off calls the current pool with it. */
  #makeMethod(key: PropertyKey, sample: Method): Method {
    const call = this.#callerOf(key);
    const { proxy } = this;
    const source = this.#source;
    function method(this: unknown, ...args: unknown[]): unknown {
      const pool = source();
      const isOurs = this === proxy || this === undefined;
      const result = call ? call(pool, args) : Reflect.apply(pool[key] as Method, isOurs ? pool : this, args);
      return result === pool ? proxy : result;
    }
    Object.defineProperty(method, "name", { value: sample.name, configurable: true });
    Object.defineProperty(method, "length", { value: sample.length, configurable: true });
    this.#methods.set(key, method);
    return method;
  }

  /** For methods that do not simply go to the pool. */
  #callerOf(key: PropertyKey): ((pool: Members, args: unknown[]) => unknown) | undefined {
    const { proxy } = this;
    const listen = isEmitter(this.#source()) ? this.#listeners.method(key) : undefined;
    if (listen) {
      return (_pool, args) => {
        listen(...(args as never[]));
        return proxy;
      };
    }
    const link = Object.hasOwn(this.#shared.links, key) ? this.#shared.links[key] : undefined;
    if (typeof link === "function") return (pool) => link(pool as never).then(() => proxy);
    if (link === "through") return (pool, args) => Reflect.apply(pool[key] as Method, proxy, args);
    if (link === "view") return (_pool, args) => this.#viewByMethod(key, args);
    if (link !== "end") return undefined;
    return (pool, args) => {
      this.#shared.onEnd();
      return Reflect.apply(pool[key] as Method, pool, args);
    };
  }

  /** Without arguments it is always the same view; with arguments each caller gets one of his own. */
  #viewByMethod(key: PropertyKey, args: unknown[]): object {
    const derive = (pool: Members) => Reflect.apply(pool[key] as Method, pool, args) as object;
    return args.length === 0 ? this.#view(key, derive) : createView(this.#source, derive, this.#shared).proxy;
  }

  #view(key: PropertyKey, derive: (pool: Members) => object): object {
    const known = this.#views.get(key);
    if (known) return known.proxy;
    const view = createView(this.#source, derive, this.#shared);
    this.#views.set(key, view);
    return view.proxy;
  }
}

/** Made again of the new pool when it is next used; the pool does not know it, so that nothing keeps one that nobody holds. */
function createView(parent: () => Members, derive: (pool: Members) => object, shared: Shared): Mirror {
  let from = parent();
  let current = derive(from);
  const mirror = new Mirror(() => {
    const pool = parent();
    if (pool !== from) {
      mirror.forget(current);
      from = pool;
      current = derive(pool);
      mirror.follow(current);
    }
    return current;
  }, shared);
  mirror.follow(current);
  return mirror;
}

/** Whoever looks what it is finds the pool: its prototype, its keys, its constructor. */
function trapsOf(mirror: Mirror, source: () => object): ProxyHandler<object> {
  return {
    get: (_target, key) => mirror.get(key),
    set: (_target, key, value) => mirror.replace(key, value) || Reflect.set(source(), key, value),
    has: (_target, key) => mirror.has(key),
    deleteProperty: (_target, key) => mirror.restore(key) || Reflect.deleteProperty(source(), key),
    defineProperty: (_target, key, descriptor) =>
      mirror.replace(key, descriptor.value) || Reflect.defineProperty(source(), key, descriptor),
    ownKeys: () => Reflect.ownKeys(source()),
    getOwnPropertyDescriptor(_target, key) {
      const descriptor = Reflect.getOwnPropertyDescriptor(source(), key);
      if (!descriptor) return undefined;
      if (typeof descriptor.value === "function") descriptor.value = mirror.get(key);
      // To call it fixed, the proxy's own target would have to have it.
      return { ...descriptor, configurable: true };
    },
    getPrototypeOf: () => Reflect.getPrototypeOf(source()),
    preventExtensions: () => false,
    apply: (_target, self, args) => Reflect.apply(source() as never as Method, self, args),
  };
}

/** What stands behind the proxy: it may be called if the pool may, and is what `inspect` gets to see. */
function blank(pool: object, label: string): object {
  const target = typeof pool === "function" ? () => {} : {};
  for (const key of ["name", "length"]) Reflect.deleteProperty(target, key);
  return Object.defineProperty(target, inspect.custom, {
    value: () => `[pool ${label}]`,
    configurable: true,
  });
}

/** Classes are handed out as they are: they are compared, and called with `new`. */
function isClass(value: object): boolean {
  const prototype = Object.getOwnPropertyDescriptor(value, "prototype");
  if (!prototype) return false;
  return !prototype.writable || Reflect.ownKeys(prototype.value ?? {}).length > 1;
}
