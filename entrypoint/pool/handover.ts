/** From the old pool to the new one: what runs on the old one ends there, and together they stay below the pool's own limit. */
import { setTimeout as delay } from "node:timers/promises";
import { abortable } from "../abort.ts";
import { errorName } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Definition, Member } from "./candidate.ts";
import type { PoolKind } from "./pool-kind.ts";

const LOOK_MS = 5;
/** What a drain function may still take after its deadline, to end by force. */
const FORCE_MS = 1_000;

export interface Retiree {
  /** ISO. */
  readonly since: string;
  /** Never fails. */
  readonly done: Promise<void>;
  /** Connections that the server has not let go of yet. */
  open(): number;
}

export interface RetireOptions {
  /** For the log: `pg`, and `the old pool`. */
  readonly name: string;
  readonly title: string;
  readonly definition: Definition;
  readonly log: Log;
  /** Its deadline. */
  readonly signal: AbortSignal;
  /** Told at every look, and at the end. */
  readonly onProgress: () => void;
  /** Told before it is closed. */
  readonly onQuiet: () => void;
}

/** Begins at once: when it returns, connections on which nothing ran are closing. */
export function retire(member: Member, options: RetireOptions): Retiree {
  const { kind, pool } = member;
  const { definition, onProgress } = options;
  const since = new Date().toISOString();
  if (definition.drain || !kind) {
    return { since, done: drainAsTold(pool, options).finally(onProgress), open: () => 0 };
  }
  const drain = new Drain(pool, kind, options);
  return { since, done: drain.run().finally(onProgress), open: () => drain.open() };
}

async function drainAsTold(
  pool: object,
  { name, title, definition, log, signal }: RetireOptions,
): Promise<void> {
  const patience = new AbortController();
  const lose = () => void delay(FORCE_MS, undefined, { ref: false }).then(() => patience.abort());
  signal.addEventListener("abort", lose, { once: true });
  if (signal.aborted) lose();
  try {
    await abortable(Promise.resolve(definition.drain?.(pool, signal)), patience.signal);
    if (signal.aborted) log("warn", "pool.forced", `${name}: ${title} was ended by force`, { name });
    else log("info", "pool.drained", `${name}: ${title} is closed`, { name });
  } catch (error) {
    const why = patience.signal.aborted ? "it did not end" : errorName(error);
    log("warn", "pool.forced", `${name}: draining ${title} failed (${why})`, { name });
  } finally {
    signal.removeEventListener("abort", lose);
  }
}

class Drain {
  readonly #pool: object;
  readonly #kind: PoolKind;
  readonly #options: RetireOptions;
  readonly #started = performance.now();
  /** Connections that have been said goodbye to. */
  #closing = 0;

  constructor(pool: object, kind: PoolKind, options: RetireOptions) {
    this.#pool = pool;
    this.#kind = kind;
    this.#options = options;
    // It may finish with the connections it has. More would need the old credentials, and those may be void by now.
    kind.limit?.set(pool, Math.max(1, kind.load(pool).open));
    this.#trim();
  }

  open(): number {
    return (this.#kind.hasEnded(this.#pool) ? 0 : this.#kind.load(this.#pool).open) + this.#closing;
  }

  async run(): Promise<void> {
    const { name, title, log, signal, onQuiet } = this.#options;
    try {
      await this.#becomeQuiet();
      onQuiet();
      await abortable(this.#kind.close(this.#pool), signal);
      while (this.#closing > 0) await delay(LOOK_MS, undefined, { signal });
      const ms = Math.round(performance.now() - this.#started);
      log("info", "pool.drained", `${name}: ${title} is closed`, { name, ms });
    } catch {
      const { busy: count } = this.#kind.load(this.#pool);
      onQuiet();
      this.#kind.cut(this.#pool);
      const message = `${name}: ${count} still ran or waited on ${title}, and were cut`;
      log("warn", "pool.forced", message, { name, count });
    }
  }

  /** No library tells when nothing runs any more, so it is looked at. */
  async #becomeQuiet(): Promise<void> {
    const { signal, onProgress } = this.#options;
    let quietSince = performance.now();
    for (;;) {
      this.#trim();
      if (this.#kind.load(this.#pool).busy > 0) quietSince = performance.now();
      else if (performance.now() - quietSince >= (this.#kind.quietMs ?? 0)) return;
      onProgress();
      await delay(LOOK_MS, undefined, { signal });
    }
  }

  #trim(): void {
    for (const farewell of this.#kind.trim(this.#pool)) {
      this.#closing++;
      void farewell.finally(() => this.#closing--);
    }
  }
}
