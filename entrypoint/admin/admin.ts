/** The admin room: two doors, a Unix socket and (when asked for) TCP, to the same routes. */
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { AdminConfig } from "../config/admin.ts";
import { CODES, errorName, SallyportError } from "../errors.ts";
import type { Log } from "../log.ts";
import { ownSockets } from "../socket-path.ts";
import { type AdminSources, createHandler } from "./routes.ts";
import { listenOnSocket } from "./socket.ts";

export interface AdminOptions extends AdminSources {
  readonly config: AdminConfig;
  readonly cwd: string;
  readonly log: Log;
}

export interface Admin {
  readonly socket: string | undefined;
  readonly port: number | undefined;
  close(): Promise<void>;
}

/** @throws {SallyportError} ADMIN_UNAVAILABLE when an address that the config names can't be opened */
export async function openAdmin({ config, cwd, log, ...sources }: AdminOptions): Promise<Admin> {
  const servers: Server[] = [];
  const open = (trusted: boolean): Server => {
    const server = createAdminServer(createHandler({ ...sources, trusted }));
    servers.push(server);
    return server;
  };
  const close = () => closeServers(servers);
  try {
    const paths = config.socket ? [config.socket] : ownSockets(cwd);
    const socket = await listenOnSocket(open(true), paths);
    if (!socket && config.socket) throw socketRefused(config.socket);
    if (!socket)
      log(
        "warn",
        "admin.closed",
        `the admin socket finds no writable folder, so healthcheck can't ask: ${paths}`,
      );
    const port = config.listen && (await listenOnTcp(open(false), config.listen));
    return { socket, port, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function createAdminServer(handler: RequestListener): Server {
  const server = createServer(
    {
      requestTimeout: 5_000,
      headersTimeout: 5_000,
      keepAliveTimeout: 1_000,
      connectionsCheckingInterval: 1_000,
    },
    handler,
  );
  server.maxConnections = 100;
  server.on("clientError", refuseGarbage);
  return server;
}

/** What is not HTTP gets the one shape of error, too. */
function refuseGarbage(_error: Error, socket: Duplex): void {
  const body = JSON.stringify({
    error: { code: "REQUEST_INVALID", message: CODES.REQUEST_INVALID.meaning, problems: [] },
  });
  const head = `HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close`;
  // Half closed it would stay for as long as the other side likes, and there is room for so many.
  if (socket.writable) socket.end(`${head}\r\n\r\n${body}`, () => socket.destroy());
  else socket.destroy();
}

function listenOnTcp(server: Server, { host, port }: { host: string; port: number }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(addressRefused(`${host}:${port}`, error)));
    server.listen(port, host, () => {
      server.unref(); // it must not keep a process alive whose app has ended
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function socketRefused(path: string): SallyportError {
  return new SallyportError("ADMIN_UNAVAILABLE", `uid ${process.getuid?.()} can't make the socket ${path}`, {
    hint: "Name a path in admin.socket, of at most 107 bytes, where this user may write.",
  });
}

function addressRefused(address: string, cause: Error): SallyportError {
  return new SallyportError(
    "ADMIN_UNAVAILABLE",
    `admin.listen ${address} can't be opened (${errorName(cause)})`,
    {
      hint: "Choose an address of this machine and a port that is free, above 1024 for a user other than root.",
      cause,
    },
  );
}

async function closeServers(servers: readonly Server[]): Promise<void> {
  await Promise.all(
    servers.map((server) => {
      if (!server.listening) return undefined;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      return closed;
    }),
  );
}
