/** The pool room: pools whose credentials change while they are in use, behind handles that the app keeps. */
import { errorName } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Settings } from "../settings/settings.ts";
import { admit, type Definition, discard } from "./candidate.ts";
import { assertUsable, freeName, type PoolDefinition, watchReads } from "./definition.ts";
import { Entry } from "./entry.ts";
import { describeFault } from "./fault.ts";
import { givenOf, lossOf } from "./loss.ts";
import { close, type Opened, open, openAll } from "./preparation.ts";

export type { PoolDefinition } from "./definition.ts";

export interface PoolReport {
  readonly name: string;
  /** Whom the server took it for; as far as it came, who it would have been. */
  readonly user: string | undefined;
  readonly ok: boolean;
  readonly ms: number;
  /** In our words, with the driver's code and never its message. */
  readonly problem?: string;
}

export interface Recycled {
  readonly name: string;
  /** User names, where they are known. */
  readonly from: string | undefined;
  readonly to: string | undefined;
}

export interface PreparedPools {
  readonly recycled: readonly Recycled[];
  /** Synchronous: from the next call on, handles use the new pools; the old ones drain in the background. */
  swap(): void;
  /** Closes what was opened; nothing else has happened. */
  discard(): Promise<void>;
}

export interface Pools {
  /**
   * @returns a handle that behaves as the pool itself, and is always the current one; the promise of it, if `create` is async
   * @throws {TypeError} for a definition whose pool could not be exchanged
   */
  add<Made extends object>(definition: PoolDefinition<Made>): Made;
  /** For each one a pool of its own, made of `settings`, logged in, and closed again. */
  probe(settings: Settings, signal: AbortSignal): Promise<PoolReport[]>;
  /**
   * Builds and proves a new pool for each whose `uses` changed. On any failure it closes all that it opened.
   * @throws {SallyportError} CREDENTIALS_REFUSED with a problem for each pool that failed
   */
  prepare(changed: ReadonlySet<string>, settings: Settings, signal: AbortSignal): Promise<PreparedPools>;
  /** Old pools that something still runs on. */
  draining(): readonly { readonly name: string; readonly since: string }[];
  /** Drains and closes all, old ones, too; at the signal's end by force. */
  close(signal: AbortSignal): Promise<void>;
}

export interface PoolsOptions {
  /** The live ones. */
  readonly settings: Settings;
  readonly log: Log;
  readonly drainTimeoutMs: number;
}

export function createPools(options: PoolsOptions): Pools {
  return new Registry(options);
}

class Registry implements Pools {
  readonly #entries: Entry[] = [];
  /** Of pools that are still being made. */
  readonly #promised = new Set<string>();
  /** Of each swap, the names of the settings that had changed. */
  readonly #swaps: ReadonlySet<string>[] = [];
  readonly #force = new AbortController();
  readonly #options: PoolsOptions;
  #isClosed = false;

  constructor(options: PoolsOptions) {
    this.#options = options;
  }

  add<Made extends object>(given: PoolDefinition<Made>): Made {
    const definition = given as unknown as Definition;
    const { settings, log } = this.#options;
    if (this.#isClosed) throw leaving();
    assertUsable(definition, settings, this.#names());
    const create = () => definition.create(watchReads(settings, definition, log));
    const made = create();
    if (!isPromise(made)) return this.#register(made, definition).handle.proxy as Made;
    const { name } = definition;
    if (name !== undefined) this.#promised.add(name);
    return this.#addLater(made, create, definition).finally(() => this.#promised.delete(name ?? "")) as Made;
  }

  async probe(settings: Settings, signal: AbortSignal): Promise<PoolReport[]> {
    return Promise.all(this.#inUse().map((entry) => this.#report(entry, settings, signal)));
  }

  async prepare(
    changed: ReadonlySet<string>,
    settings: Settings,
    signal: AbortSignal,
  ): Promise<PreparedPools> {
    const touched = this.#entries.filter((entry) => entry.isTouchedBy(changed));
    const opened = await openAll(touched, { settings, signal, onError: this.#onError, ends: true });
    let pending: readonly Opened[] | undefined = opened;
    // After one of the two the other has nothing left to do.
    const take = () => {
      const taken = pending;
      pending = undefined;
      return taken;
    };
    return {
      recycled: opened.map(({ entry, fresh }) => ({
        name: entry.name,
        from: entry.member.user,
        to: fresh.user,
      })),
      swap: () => this.#swap(take(), changed),
      discard: async () => void (await Promise.all(take()?.map(close) ?? [])),
    };
  }

  draining(): { name: string; since: string }[] {
    return this.#entries.flatMap(({ name, retirees }) => [...retirees].map(({ since }) => ({ name, since })));
  }

  async close(signal: AbortSignal): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const end = () => this.#force.abort(signal.reason);
    if (signal.aborted) end();
    signal.addEventListener("abort", end, { once: true });
    await Promise.all(this.#entries.map((entry) => entry.close()));
    signal.removeEventListener("abort", end);
  }

  #names(): ReadonlySet<string> {
    return new Set([...this.#promised, ...this.#entries.map(({ name }) => name)]);
  }

  #inUse(): Entry[] {
    return this.#entries.filter(({ handle }) => !handle.hasEnded);
  }

  /** The settings may change while it is made; then it is made once more. */
  async #addLater(first: Promise<object>, create: () => unknown, definition: Definition): Promise<object> {
    const { settings } = this.#options;
    const given = givenOf(definition.uses, settings);
    let making = first;
    for (;;) {
      const seen = this.#swaps.length;
      const pool = await making;
      const isStale = this.#swaps.slice(seen).some((names) => definition.uses.some((it) => names.has(it)));
      if (!isStale && !this.#isClosed) return this.#register(pool, definition).handle.proxy;
      await discard(
        admit(pool, definition, () => {}),
        definition,
      );
      if (this.#isClosed) throw leaving();
      const loss = lossOf(given, settings);
      if (loss) throw new Error(`context.pool: ${loss}`);
      making = Promise.resolve(create() as object);
    }
  }

  #register(pool: object, definition: Definition): Entry {
    const member = admit(pool, definition, this.#onError);
    const entry = new Entry(member, {
      ...this.#options,
      name: definition.name ?? freeName(member.kind?.name ?? "pool", this.#names()),
      definition,
      onError: this.#onError,
      force: this.#force.signal,
    });
    this.#entries.push(entry);
    // Like all others it can be used at once: what is asked of it waits until it is open.
    member.kind?.open?.(pool).catch(() => {});
    return entry;
  }

  readonly #onError = (error: unknown, pool: object): void => {
    const entry = this.#entries.find(({ member }) => member.pool === pool);
    // What happens to candidates and to old ones is told elsewhere, and an app that listens tells it itself.
    const { listenerCount } = pool as { listenerCount?(event: string): number };
    if (!entry || this.#isClosed || (listenerCount?.call(pool, "error") ?? 0) > 1) return;
    const { name } = entry;
    this.#options.log("warn", "pool.errored", `${name}: a connection failed (${errorName(error)})`, { name });
  };

  async #report(entry: Entry, settings: Settings, signal: AbortSignal): Promise<PoolReport> {
    const started = performance.now();
    const { name } = entry;
    const ms = () => Math.round(performance.now() - started);
    try {
      const opened = await open(entry, { settings, signal, onError: this.#onError, ends: false });
      const report = { name, user: opened.fresh.user, ok: true, ms: ms() };
      await close(opened);
      return report;
    } catch (error) {
      const { message: problem } = describeFault(error, signal);
      return { name, user: entry.member.user, ok: false, ms: ms(), problem };
    }
  }

  #swap(opened: readonly Opened[] | undefined, changed: ReadonlySet<string>): void {
    if (!opened) return;
    if (this.#isClosed) return void opened.map(close);
    this.#swaps.push(changed);
    const prepared = new Set(opened.map(({ entry }) => entry));
    for (const { entry, fresh } of opened) entry.swap(fresh);
    for (const entry of this.#entries)
      if (entry.isTouchedBy(changed) && !prepared.has(entry)) void this.#renew(entry);
  }

  /** It was added between proof and swap, with settings that are now old. */
  async #renew(entry: Entry): Promise<void> {
    const { settings, log, drainTimeoutMs } = this.#options;
    const { name } = entry;
    const stays = (why: string) =>
      log("warn", "pool.outdated", `${name}: it still uses the old settings (${why})`, { name });
    const loss = entry.lossIn(settings);
    if (loss) return stays(loss);
    try {
      const signal = AbortSignal.timeout(drainTimeoutMs);
      const opened = await open(entry, { settings, signal, onError: this.#onError, ends: true });
      if (this.#isClosed) return await close(opened);
      entry.swap(opened.fresh);
    } catch (error) {
      stays(errorName(error));
    }
  }
}

function isPromise(made: object): made is Promise<object> {
  // Not for functions: to be called is all that these have in common.
  return (
    typeof made === "object" && made !== null && typeof (made as Partial<Promise<object>>).then === "function"
  );
}

function leaving(): Error {
  return new Error("context.pool: the process is leaving");
}
