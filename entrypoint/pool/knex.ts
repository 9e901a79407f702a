/** Instances of `knex`, with the pool of their own (tarn) inside. Its `destroy()` turns those away who wait. */
import { closeInTime } from "./farewell.ts";
import type { Emitter } from "./listeners.ts";
import { accountName } from "./mysql.ts";
import { userOfUrl } from "./pg.ts";
import type { PoolKind } from "./pool-kind.ts";

interface TarnPool {
  readonly destroyed: boolean;
  min: number;
  max: number;
  idleTimeoutMillis: number;
  readonly used: readonly { readonly resource: Connection }[];
  readonly free: readonly { readonly resource: Connection }[];
  readonly pendingAcquires: readonly { abort(): void }[];
  numUsed(): number;
  numFree(): number;
  numPendingAcquires(): number;
  numPendingCreates(): number;
  check(): void;
  destroy(): Promise<unknown>;
  _tryAcquireOrCreate?(): void;
}

/** Of the driver below. */
type Connection = Partial<Emitter> & {
  readonly stream?: Destroyable;
  readonly connection?: { readonly stream?: Destroyable };
};
type Destroyable = Emitter & { destroy(error?: Error): void };

interface Driver {
  readonly Client?: new (...args: unknown[]) => Connection;
  createConnection?(...args: unknown[]): Connection;
}

interface KnexClient {
  pool: TarnPool | undefined;
  driver: Driver;
  readonly dialect?: string;
  readonly connectionSettings?: { readonly user?: unknown; readonly connectionString?: unknown };
}

type Knex = ((...args: unknown[]) => unknown) & {
  readonly client: KnexClient;
  raw(sql: string): Promise<unknown>;
  destroy(): Promise<void>;
};

/** Connections that are only opening: tarn does not know them yet. */
const opening = new WeakMap<KnexClient, Set<Connection>>();
/** The pools of instances that are led to another's. */
const own = new WeakMap<Knex, TarnPool>();

export const knex: PoolKind<Knex> = {
  name: "knex",
  links: { destroy: "end" },
  recognizes: (it): it is Knex => {
    const { client, raw } = it as Partial<Knex>;
    return (
      typeof it === "function" && typeof raw === "function" && typeof client?.pool?.numUsed === "function"
    );
  },
  userOf({ client: { connectionSettings } }) {
    const { user, connectionString } = connectionSettings ?? {};
    return userOfUrl(connectionString) ?? (typeof user === "string" ? user : undefined);
  },
  hasEnded: (instance) => poolOf(instance)?.destroyed ?? true,
  async probe(instance) {
    const { client } = instance;
    const restore = watchOpening(client);
    try {
      const hasUsers = /^(postgres|pg|mysql|redshift|cockroach)/.test(client.dialect ?? "");
      const name = nameIn(await instance.raw(hasUsers ? "select current_user as name" : "select 1 as one"));
      return client.dialect === "mysql" ? accountName(name) : name;
    } finally {
      restore();
    }
  },
  load(instance) {
    const pool = poolOf(instance);
    if (!pool) return { open: 0, busy: 0 };
    const running = pool.numUsed() + pool.numPendingCreates();
    return { open: running + pool.numFree(), busy: running + pool.numPendingAcquires() };
  },
  trim(instance) {
    const pool = poolOf(instance);
    if (!pool || pool.numFree() === 0) return [];
    const farewells = pool.free.map(({ resource }) => whenClosed(resource));
    // So that its own sweep takes all that are free.
    Object.assign(pool, { min: 0, idleTimeoutMillis: 0 });
    pool.check();
    return farewells;
  },
  close: async (instance) => void (await poolOf(instance)?.destroy()),
  cut(instance) {
    const pool = poolOf(instance);
    if (!pool) return;
    for (const waiting of [...pool.pendingAcquires]) waiting.abort();
    const known = [...pool.used, ...pool.free].map(({ resource }) => resource);
    for (const connection of [...known, ...(opening.get(instance.client) ?? [])]) {
      connection.on?.("error", () => {});
      socketOf(connection)?.destroy(new Error("the pool was closed"));
    }
    pool.destroy().catch(() => {});
  },
  limit: {
    get: (instance) => poolOf(instance)?.max,
    set(instance, limit) {
      const pool = poolOf(instance);
      if (!pool) return;
      pool.max = limit;
      // Each call makes one connection at most.
      for (let room = limit - pool.numUsed() - pool.numPendingCreates(); room > 0; room--)
        pool._tryAcquireOrCreate?.();
    },
  },
  // Queries that were built with the old one, and are not run yet, run on the new one.
  bury(old, current) {
    // Once led away, it would take the other's pool for its own.
    if (own.has(old) || !old.client.pool) return;
    own.set(old, old.client.pool);
    Object.defineProperty(old.client, "pool", { get: () => current().client.pool, set: () => {} });
  },
};

function poolOf(instance: Knex): TarnPool | undefined {
  return own.get(instance) ?? instance.client.pool;
}

/** Sees what the driver makes, until the returned function is called. */
function watchOpening(client: KnexClient): () => void {
  const { driver } = client;
  const made = new Set<Connection>();
  opening.set(client, made);
  const { Client, createConnection } = driver;
  const noted = (connection: Connection) => {
    made.add(connection);
    return connection;
  };
  client.driver = Object.create(driver, {
    ...(Client && {
      Client: {
        value: new Proxy(Client, {
          construct: (target, args, self) => noted(Reflect.construct(target, args, self)),
        }),
      },
    }),
    ...(createConnection && {
      createConnection: { value: (...args: unknown[]) => noted(createConnection.apply(driver, args)) },
    }),
  });
  return () => {
    client.driver = driver;
    opening.delete(client);
  };
}

/** `pg` hands over an object with rows, `mysql2` the rows and their fields. */
function nameIn(result: unknown): string | undefined {
  const rows = Array.isArray(result) ? result[0] : (result as { rows?: unknown }).rows;
  const name = Array.isArray(rows) ? (rows[0] as { name?: unknown } | undefined)?.name : undefined;
  return typeof name === "string" ? name : undefined;
}

function socketOf({ stream, connection }: Connection): Destroyable | undefined {
  return connection?.stream ?? stream;
}

function whenClosed(connection: Connection): Promise<void> {
  return new Promise((resolve) => {
    const socket = socketOf(connection);
    if (!socket) return resolve();
    socket.on("close", () => resolve());
    closeInTime(socket);
  });
}
