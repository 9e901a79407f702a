/** The handle: behaves as the pool itself, and is always the current one. */
import { inspect } from "node:util";
import { createListeners, isEmitter } from "./listeners.ts";
import type { Links } from "./pool-kind.ts";

export interface Handle<P extends object> {
  readonly proxy: P;
  /** The app has called its `end()`, or what the library calls it. */
  readonly hasEnded: boolean;
  /** From the next call on, it is `fresh`. The app's listeners hear both, until the old one is forgotten. */
  replace(fresh: P): void;
  forget(old: P): void;
}

type Members = Record<PropertyKey, unknown>;
type Method = (this: unknown, ...args: unknown[]) => unknown;

interface Mirror {
  readonly proxy: object;
  follow(pool: object): void;
  forget(pool: object): void;
}

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
  const { proxy, follow, forget } = createMirror(() => current, { label, links, onEnd });
  follow(first);
  return {
    proxy: proxy as P,
    get hasEnded() {
      return hasEnded;
    },
    replace(fresh) {
      current = fresh;
      follow(fresh);
    },
    forget,
  };
}

function createMirror(source: () => object, shared: Shared): Mirror {
  const { links } = shared;
  const listeners = createListeners();
  const methods = new Map<PropertyKey, Method>();
  const views = new Map<PropertyKey, Mirror>();
  /** Functions that the app has put in the place of methods: they may call what they replace, and outlive the pool. */
  const replaced = new Map<PropertyKey, unknown>();

  const membersOf = () => source() as Members;
  const viewOf = (key: PropertyKey, derive: (pool: object) => unknown): object => {
    const view = createView(source, derive as (pool: object) => object, shared);
    views.set(key, view);
    return view.proxy;
  };

  /** One function for each name, whatever the pool: whoever took it off calls the current pool with it. */
  const makeMethod = (key: PropertyKey, sample: Method): Method => {
    const own = isEmitter(source()) ? (listeners.method(key) as Method | undefined) : undefined;
    const link = Object.hasOwn(links, key) ? links[key] : undefined;
    function method(this: unknown, ...args: unknown[]): unknown {
      if (own) {
        own(...args);
        return proxy;
      }
      const pool = membersOf();
      if (link === "view") return viewByMethod(key, args);
      if (link === "end") shared.onEnd();
      if (typeof link === "function") return link(pool as never).then(() => proxy);
      const isOurs = this === proxy || this === undefined;
      const self = !isOurs ? this : link === "through" ? proxy : pool;
      const result = Reflect.apply(pool[key] as Method, self, args);
      return result === pool ? proxy : result;
    }
    Object.defineProperty(method, "name", { value: sample.name, configurable: true });
    Object.defineProperty(method, "length", { value: sample.length, configurable: true });
    methods.set(key, method);
    return method;
  };

  /** Without arguments it is always the same view; with arguments each caller gets one, and keeps it if he likes. */
  const viewByMethod = (key: PropertyKey, args: unknown[]): object => {
    const derive = (pool: object) => Reflect.apply((pool as Members)[key] as Method, pool, args);
    if (args.length === 0) return views.get(key)?.proxy ?? viewOf(key, derive);
    return createView(source, derive as (pool: object) => object, shared).proxy;
  };

  const get = (_target: object, key: PropertyKey): unknown => {
    if (replaced.size > 0 && replaced.has(key)) return replaced.get(key);
    const value = membersOf()[key];
    if (typeof value === "function") {
      return methods.get(key) ?? (isClass(value) ? value : makeMethod(key, value as Method));
    }
    if (links[key] !== "view" || typeof value !== "object") return value;
    return views.get(key)?.proxy ?? viewOf(key, (pool) => (pool as Members)[key]);
  };

  const proxy: object = new Proxy(blank(source(), shared.label), {
    get,
    set: (_target, key, value) =>
      typeof value === "function" ? !!replaced.set(key, value) : Reflect.set(source(), key, value),
    has: (_target, key) => replaced.has(key) || Reflect.has(source(), key),
    deleteProperty: (_target, key) => replaced.delete(key) || Reflect.deleteProperty(source(), key),
    defineProperty: (_target, key, descriptor) =>
      typeof descriptor.value === "function"
        ? !!replaced.set(key, descriptor.value)
        : Reflect.defineProperty(source(), key, descriptor),
    ownKeys: () => Reflect.ownKeys(source()),
    getOwnPropertyDescriptor(target, key) {
      const descriptor = Reflect.getOwnPropertyDescriptor(source(), key);
      if (!descriptor) return undefined;
      if (typeof descriptor.value === "function") descriptor.value = get(target, key);
      // To call it fixed, the proxy's own target would have to have it.
      return { ...descriptor, configurable: true };
    },
    getPrototypeOf: () => Reflect.getPrototypeOf(source()),
    preventExtensions: () => false,
    apply: (_target, self, args) => Reflect.apply(source() as never as Method, self, args),
  });

  return {
    proxy,
    follow(pool) {
      listeners.follow(pool);
      for (const view of views.values()) view.follow(pool);
    },
    forget: (pool) => listeners.forget(pool),
  };
}

/** Made again of the new pool when it is next used; the pool does not know it, so that nothing keeps one that nobody holds. */
function createView(parent: () => object, derive: (pool: object) => object, shared: Shared): Mirror {
  let from = parent();
  let current = derive(from);
  const source = () => {
    const pool = parent();
    if (pool !== from) {
      mirror.forget(current);
      from = pool;
      current = derive(pool);
      mirror.follow(current);
    }
    return current;
  };
  const mirror = createMirror(source, shared);
  mirror.follow(current);
  return { ...mirror, follow: () => void source(), forget: () => {} };
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
