/** The extension point of the pool room: what has to be known of a library, so that its pools can be exchanged under load. */

/** How many there are at this moment, from the pool's own books. */
export interface Load {
  /** Connections that are open or opening. */
  readonly open: number;
  /** What runs on it, is checked out of it, or waits for it. */
  readonly busy: number;
}

/**
 * How a member of the pool leads back to it. `view`: a property or a method's result that stands for the pool, and has to follow
 * it. `through`: a method that uses the pool later on, and has to use the current one. `end`: with this the app gives it up.
 * A function stands in for a method that resolves to the pool.
 */
export type Link = "view" | "through" | "end" | ((pool: never) => Promise<unknown>);
export type Links = Readonly<Record<PropertyKey, Link>>;

/** A pool's own limit of connections, which it reads anew whenever it is asked for one. */
export interface Limit<P> {
  /** `undefined` where it knows no limit. */
  get(pool: P): number | undefined;
  /** Opens what may be opened now for those who wait. */
  set(pool: P, limit: number): void;
}

/**
 * One library, told by the shape of its objects: the app's own copy made them, and nothing of it is in the bundle.
 * For implementers: `trim`, `close` and `cut` never throw, and none of them may leave whoever waits without an answer.
 */
export interface PoolKind<P extends object = object> {
  readonly name: string;
  readonly links?: Links;
  readonly limit?: Limit<P>;
  /** With these an app prepares each connection: its listeners have to hear them of the first one, too. */
  readonly sessionEvents?: readonly string[];
  /** How long nothing has to run on it before it counts as idle: some commands are made of two. */
  readonly quietMs?: number;
  recognizes(it: object): it is P;
  /** From its options. */
  userOf(pool: P): string | undefined;
  /** Whoever uses it from now on gets an error. */
  hasEnded(pool: P): boolean;
  /** For those that have to be opened: does it, if nobody has yet. */
  open?(pool: P): Promise<unknown>;
  /** Logs in, leaves the connection to the pool, and resolves to the user whom the server took it for. */
  probe(pool: P, signal: AbortSignal): Promise<string | undefined>;
  load(pool: P): Load;
  /** Says goodbye on the connections on which nothing runs; one promise for each, of its end. */
  trim(pool: P): Promise<void>[];
  /** The same with the next connection that comes free; one that comes after the signal's end stays. */
  dismiss?(pool: P, signal: AbortSignal): Promise<void>;
  /** For a pool on which nothing runs. */
  close(pool: P): Promise<void>;
  /** Ends all connections, those that are only opening, too; what ran or waited on them fails. */
  cut(pool: P): void;
  /** What the app has set on the old one, and not in `create`. Runs in the moment of the swap. */
  carryOver?(old: P, fresh: P): void;
  /** Nothing runs on the old one, and it is about to be closed: what still refers to it may be led to the current one. */
  bury?(old: P, current: () => P): void;
}
