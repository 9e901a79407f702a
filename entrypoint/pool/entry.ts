/** One pool of the app through its whole life: the handle, the current member behind it, and the old ones that still drain. */
import { abortable } from "../abort.ts";
import { errorName } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Settings } from "../settings/settings.ts";
import { type Definition, discard, type Member, type OnError, openCandidate } from "./candidate.ts";
import { createHandle, type Handle } from "./handle.ts";
import { type Retiree, retire } from "./handover.ts";
import { givenOf, lossOf } from "./loss.ts";

/** How long a refresh waits for a busy pool to give one connection back. */
const ROOM_MS = 1_000;
const PROOF_MS = 5_000;

export interface EntryOptions {
  readonly name: string;
  readonly definition: Definition;
  /** The live ones. */
  readonly settings: Settings;
  readonly log: Log;
  readonly onError: OnError;
  readonly drainTimeoutMs: number;
  /** Ends every drain by force. */
  readonly force: AbortSignal;
}

export class Entry {
  readonly name: string;
  readonly definition: Definition;
  readonly handle: Handle<object>;
  readonly retirees = new Set<Retiree>();
  member: Member;
  readonly #options: EntryOptions;
  /** What the app has set; during a handover the pool's own limit is lower. */
  #limit: number | undefined;
  /** Connections that the current pool does without, for candidates. */
  readonly #rooms = new Set<symbol>();
  /** Names of settings. */
  #given: readonly string[];
  #isClosed = false;

  constructor(member: Member, options: EntryOptions) {
    this.#given = givenOf(options.definition.uses, options.settings);
    this.name = options.name;
    this.definition = options.definition;
    this.member = member;
    this.#options = options;
    this.#limit = limitOf(member);
    this.handle = createHandle(member.pool, options.name, member.kind?.links);
  }

  isTouchedBy(changed: ReadonlySet<string>): boolean {
    return !this.handle.hasEnded && this.definition.uses.some((name) => changed.has(name));
  }

  /** What it was given, and would not be now: in words, if there is any. */
  lossIn(settings: Settings): string | undefined {
    return lossOf(this.#given, settings);
  }

  /**
   * So that many processes may be refreshed at once, and a server that is just large enough for them stays large enough: a
   * candidate's connection is one that the current pool does without.
   * @param ends whether it may end one for that, if it can spare one in time
   * @returns gives the room back
   */
  async makeRoom(signal: AbortSignal, ends: boolean): Promise<() => void> {
    // The app may have changed it.
    if (this.#rooms.size === 0 && this.retirees.size === 0) this.#limit = limitOf(this.member);
    const room = Symbol();
    this.#rooms.add(room);
    this.#balance();
    const { kind, pool } = this.member;
    const isFull = this.#limit !== undefined && this.#limit > 1 && this.#openConnections() >= this.#limit;
    if (!ends || !isFull || !kind?.dismiss) return () => this.#giveBack(room);
    const patience = AbortSignal.any([signal, AbortSignal.timeout(ROOM_MS)]);
    if (kind.load(pool).open > 1) {
      await abortable(kind.dismiss(pool, patience), patience).catch(() => {});
      return () => void this.#restore(room);
    }
    // The last one it would open again at once; but the old pools may end in time.
    await abortable(Promise.all([...this.retirees].map(({ done }) => done)), patience).catch(() => {});
    return () => this.#giveBack(room);
  }

  #giveBack(room: symbol): void {
    if (this.#rooms.delete(room)) this.#balance();
  }

  /** A pool whose own credentials are void by now would fail to open again what it gave up: it goes on with those it has. */
  async #restore(room: symbol): Promise<void> {
    if (this.#isClosed || !this.#rooms.has(room)) return;
    const { definition, name, member } = this;
    const { settings, onError, log } = this.#options;
    const signal = AbortSignal.timeout(PROOF_MS);
    try {
      const candidature = { definition, current: member.pool, onMade: () => {}, settings, signal, onError };
      await discard(await openCandidate(candidature), definition);
      this.#giveBack(room);
    } catch (error) {
      const message = `${name}: it stays one connection smaller, since its present credentials open none (${errorName(error)})`;
      log("warn", "pool.shrunk", message, { name });
    }
  }

  /** In one go: whoever calls the handle next finds the new pool, and on the old one idle connections are closing. */
  swap(fresh: Member): void {
    // In the meantime the app may have ended it.
    if (this.handle.hasEnded) return void discard(fresh, this.definition);
    const old = this.member;
    this.member = fresh;
    this.#given = givenOf(this.definition.uses, this.#options.settings);
    this.#limit = limitOf(fresh);
    this.#rooms.clear();
    this.#carryOver(old, fresh);
    this.handle.replace(fresh.pool);
    const retiree = this.#retire(old, "the old pool", () => this.#bury(old));
    this.retirees.add(retiree);
    this.#balance();
    void retiree.done.then(() => {
      this.retirees.delete(retiree);
      this.handle.forget(old.pool);
      this.#balance();
    });
  }

  /** Whatever goes wrong in it, the swap goes on: other pools may have been swapped already. */
  #carryOver(old: Member, fresh: Member): void {
    try {
      if (old.kind === fresh.kind) fresh.kind?.carryOver?.(old.pool, fresh.pool);
    } catch (error) {
      const { name } = this;
      const message = `${name}: what the app had set on the old pool is not on the new one (${errorName(error)})`;
      this.#options.log("warn", "pool.state_lost", message, { name });
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const current = this.handle.hasEnded ? [] : [this.#retire(this.member, "the pool")];
    await Promise.all([...this.retirees, ...current].map(({ done }) => done));
  }

  #bury({ kind, pool }: Member): void {
    kind?.bury?.(pool, () => this.member.pool);
  }

  #retire(member: Member, title: string, onQuiet = () => {}): Retiree {
    const { drainTimeoutMs, force } = this.#options;
    return retire(member, {
      ...this.#options,
      title,
      signal: AbortSignal.any([AbortSignal.timeout(drainTimeoutMs), force]),
      onProgress: () => this.#balance(),
      onQuiet,
    });
  }

  #openConnections(): number {
    const { kind, pool } = this.member;
    return [...this.retirees].reduce((sum, retiree) => sum + retiree.open(), kind?.load(pool).open ?? 0);
  }

  /** Old and new together stay at the limit; but each has one at least. */
  #balance(): void {
    const { kind, pool } = this.member;
    if (this.#limit === undefined || !kind?.limit || kind.hasEnded(pool)) return;
    const old = [...this.retirees].reduce((sum, retiree) => sum + retiree.open(), 0);
    kind.limit.set(pool, Math.max(1, this.#limit - old - this.#rooms.size));
  }
}

function limitOf({ pool, kind }: Member): number | undefined {
  return kind?.limit?.get(pool);
}
