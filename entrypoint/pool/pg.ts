/** `Pool` of `pg`. Its `end()` leaves those who wait for a connection without an answer, for ever: it comes when nobody waits. */
import { type Closable, closeInTime } from "./farewell.ts";
import type { Emitter } from "./listeners.ts";
import type { PoolKind } from "./pool-kind.ts";

interface PgClient extends Emitter {
  query(sql: string): Promise<{ rows: Record<string, string>[] }>;
  release(destroy?: boolean): void;
  /** Missing where the driver is `pg-native`. */
  readonly connection?: { readonly stream?: Closable };
  end(): Promise<void>;
}

type Release = (destroy: boolean) => void;

export interface PgPool extends Emitter {
  readonly options: { max: number; user?: unknown; connectionString?: unknown };
  readonly totalCount: number;
  readonly idleCount: number;
  readonly waitingCount: number;
  readonly ending: boolean;
  connect(): Promise<PgClient>;
  connect(callback: (error: Error | undefined, client: PgClient, release: Release) => void): void;
  end(): Promise<void>;
  readonly _clients?: readonly PgClient[];
  readonly _pendingQueue?: { callback(error: Error): void }[];
  _pulseQueue?(): void;
}

export const pg: PoolKind<PgPool> = {
  name: "pg",
  links: { end: "end" },
  sessionEvents: ["connect"],
  recognizes: (it): it is PgPool =>
    ["totalCount", "idleCount", "waitingCount", "ending", "options"].every((key) => key in it) &&
    "connect" in it,
  userOf: ({ options: { user, connectionString } }) => userOfUrl(connectionString) ?? text(user),
  hasEnded: ({ ending }) => ending,
  async probe(pool) {
    const client = await pool.connect();
    try {
      const { rows } = await client.query("select session_user as name");
      client.release();
      return rows[0]?.name;
    } catch (error) {
      client.release(true);
      throw error;
    }
  },
  load: ({ totalCount, idleCount, waitingCount }) => ({
    open: totalCount,
    busy: totalCount - idleCount + waitingCount,
  }),
  // Who waits gets an idle one in the next tick; for one more than there are it would open a connection.
  trim: (pool) => Array.from({ length: pool.idleCount - pool.waitingCount }, () => dismiss(pool)),
  dismiss,
  close: (pool) => (pool.ending ? Promise.resolve() : pool.end()),
  cut(pool) {
    for (const client of pool._clients ?? []) {
      // Whoever has checked it out may listen to nothing, and what is unheard ends the process.
      client.on("error", () => {});
      const { stream } = client.connection ?? {};
      if (stream) stream.destroy();
      else client.end().catch(() => {});
    }
    for (const { callback } of pool._pendingQueue?.splice(0) ?? [])
      callback(new Error("the pool was closed"));
    if (!pool.ending) pool.end().catch(() => {});
  },
  // It looks at the limit whenever it is asked for a connection, and at its queue when one comes back.
  limit: {
    get: ({ options }) => options.max,
    set(pool, limit) {
      pool.options.max = limit;
      for (let room = limit - pool.totalCount; room > 0 && pool.waitingCount > 0; room--)
        pool._pulseQueue?.();
    },
  },
};

/** Checks out a connection and gives it back as a broken one. Resolves when the server has let go of it. */
function dismiss(pool: PgPool, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    pool.connect((error, client, release) => {
      if (error) return resolve();
      if (signal?.aborted) {
        release(false);
        return resolve();
      }
      leavingOf(pool).set(client, resolve);
      const { stream } = client.connection ?? {};
      if (stream) closeInTime(stream);
      release(true);
    });
  });
}

/** Whom to tell of a connection's end. With a listener for each, Node would warn of a leak. */
const leaving = new WeakMap<PgPool, Map<unknown, () => void>>();

function leavingOf(pool: PgPool): Map<unknown, () => void> {
  const known = leaving.get(pool);
  if (known) return known;
  const clients = new Map<unknown, () => void>();
  leaving.set(pool, clients);
  pool.on("remove", (client) => {
    clients.get(client)?.();
    clients.delete(client);
  });
  return clients;
}

/** What stands before the @ of a URL; `pg` puts it above `user`. */
export function userOfUrl(url: unknown): string | undefined {
  if (typeof url !== "string" || !URL.canParse(url)) return undefined;
  const { username } = new URL(url);
  return username === "" ? undefined : decodeURIComponent(username);
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
