/** The admin room: two doors, a Unix socket and (when asked for) TCP, to the same routes. */
import { createServer, type RequestListener, type Server } from "node:http";
import type { AdminConfig } from "../config/admin.ts";
import { errorName, SallyportError } from "../errors.ts";
import type { Log } from "../log.ts";
import { socketPaths } from "../socket-path.ts";
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
  const socketServer = createAdminServer(createHandler({ ...sources, trusted: true }));
  const socket = await listenOnSocket(socketServer, config.socket ? [config.socket] : socketPaths(cwd));
  if (!socket && config.socket) {
    throw new SallyportError(
      "ADMIN_UNAVAILABLE",
      `uid ${process.getuid?.()} can't make the socket ${config.socket}`,
      {
        hint: "Name a path in admin.socket that this user may write to and no other process uses.",
      },
    );
  }
  if (!socket)
    log(
      "warn",
      "admin.closed",
      `no folder for the admin socket is writable, so healthcheck can't ask: ${socketPaths(cwd).join(", ")}`,
    );
  const servers = [socketServer];
  let port: number | undefined;
  if (config.listen) {
    const tcpServer = createAdminServer(createHandler({ ...sources, trusted: false }));
    servers.push(tcpServer);
    port = await listenOnTcp(tcpServer, config.listen).catch(async (error) => {
      await closeServers(servers);
      throw error;
    });
  }
  return { socket, port, close: () => closeServers(servers) };
}

function createAdminServer(handler: RequestListener): Server {
  const server = createServer(
    { requestTimeout: 5_000, headersTimeout: 5_000, keepAliveTimeout: 1_000 },
    handler,
  );
  server.maxConnections = 100;
  return server;
}

function listenOnTcp(server: Server, { host, port }: { host: string; port: number }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) =>
      reject(
        new SallyportError(
          "ADMIN_UNAVAILABLE",
          `admin.listen ${host}:${port} can't be opened (${errorName(error)})`,
          {
            hint: "Choose a port that is free, and above 1024 for a user other than root.",
            cause: error,
          },
        ),
      ),
    );
    server.listen(port, host, () => {
      server.unref(); // it must not keep a process alive whose app has ended
      const address = server.address();
      resolve(typeof address === "object" && address ? address.port : port);
    });
  });
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
