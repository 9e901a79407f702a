/** Clients of `redis` (node-redis), version 5 and later: one connection each, which has to be opened. */
import type { Emitter } from "./listeners.ts";
import type { PoolKind } from "./pool-kind.ts";
import { nameOf, QUIET_MS, untilReady, whoAmI } from "./redis-login.ts";

type Channels = ReadonlyMap<string, unknown>;
type PubSubType = "CHANNELS" | "PATTERNS" | "SHARDED";

interface RedisClient extends Emitter {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  readonly isWatching?: boolean;
  readonly options?: { readonly username?: unknown };
  connect(): Promise<unknown>;
  close(): Promise<void>;
  destroy(): void;
  sendCommand(command: string[]): Promise<unknown>;
  setDirtyWatch?(message: string): void;
  getPubSubListeners(type: PubSubType): Channels;
  extendPubSubListeners(type: PubSubType, channels: Channels): Promise<void>;
  _getQueue?(): { readonly pendingCount?: number };
}

const ITERATORS = ["scan", "hScan", "hScanValues", "hScanNoValues", "sScan", "zScan"];
const UNSUBSCRIBE = { CHANNELS: "unsubscribe", PATTERNS: "pUnsubscribe", SHARDED: "sUnsubscribe" } as const;
/** What `connect()` gave, for those who ask again. */
const opening = new WeakMap<RedisClient, Promise<unknown>>();
/** Between the first packet and the last of the TCP handshake: `destroy()` would miss the socket, and it would live on. */
const dialing = new WeakSet<RedisClient>();

export const redis: PoolKind<RedisClient> = {
  name: "redis",
  quietMs: QUIET_MS,
  links: {
    connect: open,
    multi: "through",
    MULTI: "through",
    ...Object.fromEntries(ITERATORS.map((it) => [`${it}Iterator`, "through"])),
    withCommandOptions: "view",
    withTypeMapping: "view",
    legacy: "view",
    ...Object.fromEntries(["quit", "QUIT", "close", "disconnect", "destroy"].map((it) => [it, "end"])),
  },
  recognizes: (it): it is RedisClient => {
    const { isOpen, isReady, getPubSubListeners, destroy } = it as RedisClient;
    return (
      typeof isOpen === "boolean" &&
      typeof isReady === "boolean" &&
      [getPubSubListeners, destroy].every((method) => typeof method === "function")
    );
  },
  userOf: ({ options }) => nameOf(options?.username),
  hasEnded: ({ isOpen }) => !isOpen,
  open,
  async probe(client) {
    if (!client.isReady) await untilReady(client, () => open(client).catch(() => {}));
    return whoAmI(() => client.sendCommand(["ACL", "WHOAMI"]));
  },
  load: (client) => ({
    open: client.isOpen ? 1 : 0,
    busy: (client.isOpen && client._getQueue?.().pendingCount) || 0,
  }),
  // Its one connection may be needed until the last moment.
  trim: () => [],
  // It waits for what is on its way, but takes nothing any more.
  close: async (client) => void (client.isOpen && (await client.close())),
  cut(client) {
    if (!dialing.has(client)) return destroy(client);
    for (const event of ["connect", "error"]) client.on(event, () => destroy(client));
  },
  carryOver(old, fresh) {
    // What was watched on the old connection is not on the new one, so a transaction must not go through.
    if (old.isWatching) fresh.setDirtyWatch?.("the credentials have changed since WATCH");
    for (const type of ["CHANNELS", "PATTERNS", "SHARDED"] as const) {
      const channels = old.getPubSubListeners(type);
      if (channels.size === 0) continue;
      const names = [...channels.keys()];
      const leave = () =>
        (old as unknown as Record<string, (names: string[]) => Promise<void>>)[UNSUBSCRIBE[type]]?.(names);
      // The old one is left when the new one hears: a message in between comes twice, and none is lost.
      fresh
        .extendPubSubListeners(type, new Map(channels))
        .then(leave)
        .catch(() => {});
    }
  },
};

function open(client: RedisClient): Promise<unknown> {
  const begun = opening.get(client);
  if (begun || client.isReady) return begun ?? Promise.resolve();
  if (client.isOpen) return untilReady(client, () => {});
  client.on("connect", () => dialing.delete(client));
  client.on("error", () => dialing.delete(client));
  client.on("reconnecting", () => dialing.add(client));
  dialing.add(client);
  const connecting = client.connect();
  opening.set(client, connecting);
  return connecting;
}

function destroy(client: RedisClient): void {
  if (client.isOpen) client.destroy();
}
