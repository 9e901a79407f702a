/** Sees which servers the app opens, and closes them without cutting a request. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { Server } from "node:net";

const LISTENING = "tracing:net.server.listen:asyncEnd";

export interface ServerWatch {
  /** Resolves when the first server listens. */
  readonly listening: Promise<void>;
  /** Those that have listened so far. */
  readonly servers: ReadonlySet<Server>;
  stop(): void;
}

/** Every TCP, TLS and HTTP server, and every Unix socket, goes through one diagnostics channel of `node:net`. */
export function watchServers(): ServerWatch {
  const servers = new Set<Server>();
  const { promise: listening, resolve } = Promise.withResolvers<void>();
  const seen = (message: unknown) => {
    servers.add((message as { server: Server }).server);
    resolve();
  };
  subscribe(LISTENING, seen);
  return { listening, servers, stop: () => unsubscribe(LISTENING, seen) };
}

export function isServer(value: unknown): value is Server {
  return value instanceof Server;
}

/** Resolves when the last connection has ended. A keep-alive connection ends when its running request has been answered. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const { closeIdleConnections } = server as { closeIdleConnections?: () => void };
    // Node closes the connections that are idle now; those that become idle later stay open until told.
    const sweep = closeIdleConnections && setInterval(() => closeIdleConnections.call(server), 50);
    server.close(() => {
      clearInterval(sweep);
      resolve();
    });
    closeIdleConnections?.call(server);
  });
}

/** Resolves when all are closed, by whomever. */
export async function whenClosed(servers: Iterable<Server>): Promise<void> {
  await Promise.all(
    [...servers].map((server) => server.listening && new Promise((resolve) => server.once("close", resolve))),
  );
}
