/** Clients of `ioredis`: one connection each, on which commands follow one another. */
import type { Emitter } from "./listeners.ts";
import type { PoolKind } from "./pool-kind.ts";
import { nameOf, QUIET_MS, untilReady, whoAmI } from "./redis-login.ts";

interface Script {
  readonly lua: string;
  readonly numberOfKeys?: number | null;
  readonly readOnly?: boolean;
}

interface IoredisClient extends Emitter {
  readonly status: string;
  readonly isCluster?: boolean;
  readonly options: { readonly username?: unknown; readonly db?: number };
  readonly commandQueue: { readonly length: number };
  readonly offlineQueue: { readonly length: number };
  readonly autoPipelineQueueSize?: number;
  readonly stream?: { destroy(): void };
  readonly condition?: {
    readonly select?: number;
    readonly subscriber?: { channels(command: string): string[] } | false;
  };
  readonly scriptsSet?: Readonly<Record<string, Script>>;
  connect(): Promise<void>;
  call(...command: string[]): Promise<unknown>;
  quit(): Promise<unknown>;
  disconnect(): void;
  select(db: number): Promise<unknown>;
  defineCommand(name: string, script: Script): void;
}

const UNUSED = new Set(["wait", "end", "close"]);
const SCANS = ["scan", "sscan", "hscan", "zscan"];
const SUBSCRIPTIONS = ["subscribe", "psubscribe", "ssubscribe"] as const;

export const ioredis: PoolKind<IoredisClient> = {
  name: "ioredis",
  quietMs: QUIET_MS,
  links: {
    pipeline: "through",
    multi: "through",
    // All its scan streams come from here.
    createScanStream: "through",
    ...Object.fromEntries(
      SCANS.flatMap((it) => [`${it}Stream`, `${it}BufferStream`]).map((it) => [it, "through"]),
    ),
    quit: "end",
    disconnect: "end",
    end: "end",
  },
  recognizes: (it): it is IoredisClient => {
    const { status, isCluster, commandQueue, offlineQueue } = it as IoredisClient;
    return typeof status === "string" && isCluster === false && !!commandQueue && !!offlineQueue;
  },
  userOf: ({ options }) => nameOf(options.username),
  hasEnded: ({ status }) => status === "end",
  async probe(client) {
    if (client.status !== "ready") {
      await untilReady(client, () => client.status === "wait" && client.connect().catch(() => {}));
    }
    return whoAmI(() => client.call("ACL", "WHOAMI"));
  },
  load: ({ status, commandQueue, offlineQueue, autoPipelineQueueSize = 0 }) => ({
    open: UNUSED.has(status) ? 0 : 1,
    busy: commandQueue.length + offlineQueue.length + autoPipelineQueueSize,
  }),
  // Its one connection may be needed until the last moment.
  trim: () => [],
  async close(client) {
    if (client.status === "ready") await client.quit().catch(() => {});
    client.disconnect();
  },
  cut(client) {
    client.disconnect();
    // It only says that it has nothing more to say, and a server that hangs does not answer.
    client.stream?.destroy();
  },
  carryOver(old, fresh) {
    for (const [name, { lua, numberOfKeys, readOnly }] of Object.entries(old.scriptsSet ?? {})) {
      if (name in (fresh.scriptsSet ?? {})) continue;
      fresh.defineCommand(name, {
        lua,
        ...(numberOfKeys != null && { numberOfKeys }),
        ...(readOnly && { readOnly }),
      });
    }
    const { select = 0, subscriber } = old.condition ?? {};
    if (select !== (fresh.condition?.select ?? fresh.options.db ?? 0)) fresh.select(select).catch(() => {});
    if (!subscriber) return;
    for (const command of SUBSCRIPTIONS) {
      const channels = subscriber.channels(command);
      if (channels.length === 0) continue;
      // The old one is left when the new one hears: a message in between comes twice, and none is lost.
      const leave = () => old.call(command.replace("sub", "unsub"), ...channels);
      fresh
        .call(command, ...channels)
        .then(leave)
        .catch(() => {});
    }
  },
};
