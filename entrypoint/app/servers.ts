/** Sees which servers the app opens, and closes them without cutting a request. */
import { subscribe } from "node:diagnostics_channel";
import { Server as HttpServer } from "node:http";
import type { Http2Session } from "node:http2";
import type { Server, Socket } from "node:net";

/** Every TCP, TLS and HTTP server, and every Unix socket, goes through this channel of `node:net`. */
const LISTENING = "tracing:net.server.listen:asyncEnd";
const SWEEP_MS = 50;

export interface ServerWatch {
  /** Resolves when the first server listens. */
  readonly listening: Promise<void>;
  /** From now on, ends connections that have nothing to finish, on servers that take no new ones. */
  drain(): void;
  /** Resolves when all servers have closed, by whomever. */
  whenClosed(): Promise<void>;
  /** Closes those that still listen, and resolves when the last answer is out. Nobody else will end a WebSocket, so it does. */
  close(): Promise<void>;
}

export function watchServers(): ServerWatch {
  const sweeps = new Map<Server, Sweep>();
  let isOurs = false;
  const { promise: listening, resolve } = Promise.withResolvers<void>();
  subscribe(LISTENING, (message) => {
    const { server } = message as { server: Server };
    sweeps.set(server, watchConnections(server));
    server.once("close", () => sweeps.delete(server));
    resolve();
  });
  const whenClosed = async () => {
    await Promise.all([...sweeps.keys()].map(whenOneClosed));
  };
  return {
    listening,
    drain() {
      const sweepAll = () => {
        for (const [server, sweep] of sweeps) if (!server.listening) sweep(isOurs);
      };
      setInterval(sweepAll, SWEEP_MS).unref();
    },
    whenClosed,
    close() {
      isOurs = true;
      const closed = whenClosed();
      for (const server of sweeps.keys()) if (server.listening) server.close();
      return closed;
    },
  };
}

function whenOneClosed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.once("close", resolve);
    // The primary of a cluster takes the handle away from its servers, and they never say that they have closed.
    server.getConnections((_error, count) => {
      if (!server.listening && count === 0) resolve();
    });
  });
}

/** Ends connections that are idle, and with `upgraded` those that have left HTTP behind. */
type Sweep = (upgraded: boolean) => void;

/** Closing a server does it only once, and only in part. */
function watchConnections(server: Server): Sweep {
  const sockets = collect<Socket & { parser?: unknown }>(server, "connection");
  const sessions = collect<Http2Session>(server, "session");
  return (upgraded) => {
    for (const session of sessions) session.close();
    if (!("closeIdleConnections" in server)) return;
    (server as HttpServer).closeIdleConnections();
    // Under TLS these are not the sockets that HTTP sees.
    if (!(server instanceof HttpServer)) return;
    for (const socket of sockets) {
      // To Node before 26, a connection that was opened ahead of its first request is not idle.
      const isFresh = socket.bytesRead === 0;
      // Node takes the parser off, and tells in no other way.
      if (isFresh || (upgraded && socket.parser === null)) socket.destroy();
    }
  };
}

function collect<T extends Socket | Http2Session>(server: Server, event: string): Set<T> {
  const open = new Set<T>();
  server.on(event, (it: T) => {
    open.add(it);
    it.once("close", () => open.delete(it));
  });
  return open;
}
