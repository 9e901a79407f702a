/** Pools of `mysql2`, with callbacks or with promises. Their `end()` turns those away who wait: it comes when nobody does. */
import { closeInTime } from "./farewell.ts";
import type { Emitter } from "./listeners.ts";
import type { PoolKind } from "./pool-kind.ts";

interface Connection extends Emitter {
  query(sql: string, callback: (error: Error | null, rows: Record<string, string>[]) => void): void;
  release(): void;
  destroy(): void;
  readonly stream: Emitter & { destroy(error?: Error): void; readonly destroyed: boolean };
  _removeFromPool?(): void;
  /** What `end()` was before the pool made it mean `release()`. */
  _realEnd?(callback: () => void): void;
}

type Taker = (error: Error | null, connection: Connection) => void;

interface Queue<T> {
  readonly length: number;
  toArray(): T[];
  shift(): T | undefined;
}

interface CorePool {
  readonly config: { connectionLimit: number; readonly connectionConfig: { readonly user?: unknown } };
  getConnection(taker: Taker): void;
  end(callback: () => void): void;
  readonly _allConnections: Queue<Connection>;
  readonly _freeConnections: Queue<Connection>;
  readonly _connectionQueue: Queue<Taker>;
  readonly _closed: boolean;
}

/** The one with promises has the other one inside. */
type MysqlPool = CorePool | { readonly pool: CorePool };

export const mysql: PoolKind<MysqlPool> = {
  name: "mysql2",
  links: { pool: "view", promise: "view", end: "end", [Symbol.asyncDispose]: "end", [Symbol.dispose]: "end" },
  sessionEvents: ["connection"],
  recognizes: (it): it is MysqlPool => {
    const { getConnection, config, _allConnections, _connectionQueue } = coreOf(it as MysqlPool);
    return (
      typeof getConnection === "function" &&
      !!config?.connectionConfig &&
      !!_allConnections &&
      !!_connectionQueue
    );
  },
  userOf(pool) {
    const { user } = coreOf(pool).config.connectionConfig;
    return typeof user === "string" ? user : undefined;
  },
  hasEnded: (pool) => coreOf(pool)._closed,
  probe: (pool) =>
    new Promise((resolve, reject) => {
      coreOf(pool).getConnection((error, connection) => {
        if (error) return reject(error);
        connection.query("select current_user() as name", (fault, rows) => {
          if (fault) return reject(fault);
          connection.release();
          resolve(accountName(rows[0]?.name));
        });
      });
    }),
  load(pool) {
    const { _allConnections: all, _freeConnections: free, _connectionQueue: queue } = coreOf(pool);
    // An ended pool forgets none of them.
    const open = all.toArray().filter(({ stream }) => !stream.destroyed).length;
    return { open, busy: all.length - free.length + queue.length };
  },
  trim(pool) {
    const core = coreOf(pool);
    return core._closed ? [] : Array.from({ length: core._freeConnections.length }, () => dismiss(core));
  },
  dismiss: (pool, signal) => dismiss(coreOf(pool), signal),
  close: (pool) =>
    new Promise((resolve) => {
      const core = coreOf(pool);
      if (core._closed) resolve();
      else core.end(() => resolve());
    }),
  cut(pool) {
    const core = coreOf(pool);
    const connections = core._allConnections.toArray();
    if (!core._closed) core.end(() => {});
    for (const connection of connections) {
      connection.on("error", () => {});
      // Its own `destroy()` would leave whoever waits for a query without an answer.
      connection.stream.destroy(new Error("the pool was closed"));
    }
  },
  limit: {
    // Its 0 means as many as are asked for.
    get: (pool) => coreOf(pool).config.connectionLimit || undefined,
    set(pool, limit) {
      const core = coreOf(pool);
      core.config.connectionLimit = limit;
      while (core._allConnections.length < limit && core._connectionQueue.length > 0)
        core.getConnection(core._connectionQueue.shift() as Taker);
    },
  },
};

function coreOf(pool: MysqlPool): CorePool {
  return "pool" in pool && pool.pool ? pool.pool : (pool as CorePool);
}

/** The server names an account with the hosts that it may come from: `shop_a@10.0.%`. */
export function accountName(account: string | undefined): string | undefined {
  return account?.replace(/@[^@]*$/, "");
}

/** Checks out a connection and ends it. Resolves when the server has let go of it. */
function dismiss(core: CorePool, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    core.getConnection((error, connection) => {
      if (error || connection.stream.destroyed) return resolve();
      if (signal?.aborted) {
        connection.release();
        return resolve();
      }
      connection.on("error", () => {});
      connection.stream.on("close", () => resolve());
      if (!connection._removeFromPool || !connection._realEnd) return connection.destroy();
      connection._removeFromPool();
      closeInTime(connection.stream);
      // Without a goodbye the server counts and logs it as aborted.
      connection._realEnd(() => {});
    });
  });
}
