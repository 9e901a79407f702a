/** Opens the admin socket where only this user can. */
import { rmSync, unlinkSync } from "node:fs";
import type { Server } from "node:http";
import { connect } from "node:net";
import { errorName, SallyportError } from "../errors.ts";

/** The longest path the kernel takes for a socket, in bytes. */
const LONGEST_PATH = 107;

/**
 * Listens on the first path that works, and returns it.
 * @throws {SallyportError} ADMIN_UNAVAILABLE when another process that is alive has it
 */
export async function listenOnSocket(server: Server, paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    if (Buffer.byteLength(path) > LONGEST_PATH) continue;
    if (await listens(server, path)) return path;
  }
  return undefined;
}

async function listens(server: Server, path: string): Promise<boolean> {
  const first = await tryListen(server, path);
  if (first !== "EADDRINUSE") return first === "listening";
  if (await isAlive(path)) {
    throw new SallyportError(
      "ADMIN_UNAVAILABLE",
      `another Sallyport is running here: it answers on ${path}`,
      {
        hint: "Stop it, start this one in another working directory, or give each its own admin.socket.",
      },
    );
  }
  // Left behind by a process that was killed. In a shared folder only its owner can remove it.
  return removes(path) && (await tryListen(server, path)) === "listening";
}

function removes(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch {
    return false;
  }
}

function tryListen(server: Server, path: string): Promise<string> {
  return new Promise((resolve) => {
    const fail = (error: Error) => {
      server.off("listening", listening);
      resolve(errorName(error));
    };
    const listening = () => {
      server.off("error", fail);
      server.unref();
      // Closing the server removes the file; an exit without it, by the app or a second signal, has to be told.
      const remove = () => rmSync(path, { force: true });
      process.once("exit", remove);
      server.once("close", () => process.off("exit", remove));
      resolve("listening");
    };
    server.once("error", fail).once("listening", listening);
    // The mode must be right from the first moment, so it is the mask's work and not a chmod's afterwards.
    const mask = process.umask(0o177);
    server.listen(path);
    process.umask(mask);
  });
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
}
