/** A way to a server that can fall silent, as when a machine is gone: nothing passes, and nobody closes anything. */
import { connect, createServer, type Socket } from "node:net";
import { freePort } from "./postgres.ts";

export interface Tunnel extends AsyncDisposable {
  readonly port: number;
  /** For good; with a text, from the moment at which somebody sends that. */
  silence(text?: string): void;
}

export async function openTunnel(target: number): Promise<Tunnel> {
  const sockets = new Set<Socket>();
  let isSilent = false;
  let last: string | undefined;
  const pass = (from: Socket, to: Socket) => {
    sockets.add(from);
    from.on("data", (bytes) => {
      isSilent ||= last !== undefined && bytes.includes(last);
      if (!isSilent) to.write(bytes);
    });
    from.on("end", () => isSilent || to.end());
    from.on("error", () => to.destroy());
    from.on("close", () => sockets.delete(from));
  };
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port: target, host: "127.0.0.1", allowHalfOpen: true });
    pass(near, far);
    pass(far, near);
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    port,
    silence(text) {
      if (text === undefined) isSilent = true;
      last = text;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
