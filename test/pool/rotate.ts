/** Pools as the corridor uses them: settings that change, a log that is kept, and a load that goes on meanwhile. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { PoolDefinition, Pools, PreparedPools } from "../../entrypoint/pool/pool.ts";
import { createPools } from "../../entrypoint/pool/pool.ts";
import type { Stage, Subject, User } from "./subjects.ts";

export const PATIENCE_MS = 20_000;

export interface House extends AsyncDisposable {
  readonly pools: Pools;
  readonly settings: { URL: string };
  /** Events of the log, with their fields. */
  readonly lines: { level: string; event: string; message: string; fields: unknown }[];
  prepare(url: string, signal?: AbortSignal): Promise<PreparedPools>;
  rotate(url: string): Promise<PreparedPools>;
}

export function openHouse(url: string, drainTimeoutMs = PATIENCE_MS): House {
  const settings = { URL: url };
  const lines: House["lines"] = [];
  const log = (level: string, event: string, message: string, fields: unknown) =>
    void lines.push({ level, event, message, fields });
  const pools = createPools({ settings, log, drainTimeoutMs });
  const prepare = (next: string, signal = AbortSignal.timeout(PATIENCE_MS)) =>
    pools.prepare(new Set(["URL"]), { URL: next }, signal);
  return {
    pools,
    settings,
    lines,
    prepare,
    async rotate(next) {
      const prepared = await prepare(next);
      settings.URL = next;
      prepared.swap();
      return prepared;
    },
    [Symbol.asyncDispose]: () => pools.close(AbortSignal.timeout(1_000)),
  };
}

export function define<P extends object>(subject: Subject<P>): PoolDefinition<P> {
  return { uses: ["URL"], create: ({ URL: url }) => subject.create(String(url)) };
}

/** Until it is so; what a server knows of its connections, it knows a little later. */
export async function eventually(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await isSo())) {
    if (performance.now() > deadline) assert.fail(`never: ${what}`);
    await delay(10);
  }
}

export async function assertOnly(stage: Stage, users: readonly User[]): Promise<void> {
  const others = async () => (await stage.connections()).filter((user) => !users.includes(user as User));
  await eventually(
    async () => (await others()).length === 0,
    `only ${users.join(" and ") || "nobody"} connected`,
  );
}

/** Calls it again and again, on so many lanes; `stop` resolves to how often it was done, and throws what it threw. */
export function keepBusy(lanes: number, work: () => Promise<unknown>): { stop(): Promise<number> } {
  let isStopped = false;
  let done = 0;
  const running = Array.from({ length: lanes }, async () => {
    while (!isStopped) {
      await work();
      done++;
    }
  });
  // Not before it is asked for.
  for (const lane of running) lane.catch(() => {});
  return {
    async stop() {
      isStopped = true;
      await Promise.all(running);
      return done;
    },
  };
}
