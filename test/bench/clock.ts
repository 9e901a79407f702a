/** A clock that runs as fast as there is nothing left to do at its present moment. */
import { setImmediate as settled } from "node:timers/promises";

export class VirtualClock {
  #now = 0;
  #pending = 0;
  readonly #due = new Map<number, Set<() => void>>();

  /** Milliseconds since the start. */
  get now(): number {
    return this.#now;
  }

  /** Runs `work` in so many milliseconds. @returns takes that back */
  after(ms: number, work: () => void): () => void {
    const at = this.#now + Math.max(0, Math.round(ms));
    const works = this.#due.get(at) ?? new Set();
    const once = () => work();
    this.#due.set(at, works.add(once));
    this.#pending++;
    return () => {
      if (works.delete(once)) this.#pending--;
    };
  }

  /** Ends early, too, when the signal is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.after(ms, resolve);
      signal?.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  /** Until `done`, or until nothing is left that is due. */
  async run(done: () => boolean): Promise<void> {
    await settled();
    while (this.#pending > 0 && !done()) {
      const works = this.#due.get(this.#now);
      if (!works) {
        this.#now++;
        continue;
      }
      this.#due.delete(this.#now);
      this.#pending -= works.size;
      const due = [...works];
      works.clear();
      for (const work of due) work();
      await settled();
    }
  }
}

/** Numbers from 0 to 1 that are the same in every run (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
