/** Ground floor: where the admin socket is. The server and the probe find it without talking about it. */
import { statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FOLDERS = ["/run/sallyport", "/dev/shm", tmpdir()];

/**
 * Where to listen, best folder first. `/dev/shm` is writable in every container, read-only root or not. The name carries the mount
 * namespace, because the containers of one pod share `/dev/shm`, and, for any process but a container's first, the working
 * directory, because several of those may be on one machine.
 */
export function ownSockets(cwd: string): string[] {
  const name = process.pid === 1 ? nameOfFirst() : nameIn(cwd);
  return FOLDERS.map((folder) => join(folder, name));
}

/** Where to ask: from any directory of a container, and outside one from where the other was started. */
export function socketsToAsk(cwd: string): string[] {
  const names = [nameOfFirst(), nameIn(cwd)];
  return FOLDERS.flatMap((folder) => names.map((name) => join(folder, name)));
}

function nameOfFirst(): string {
  return `sallyport-${mountNamespace()}.sock`;
}

function nameIn(cwd: string): string {
  return `sallyport-${mountNamespace()}-${hash(cwd)}.sock`;
}

function mountNamespace(): number {
  return statSync("/proc/self/ns/mnt", { throwIfNoEntry: false })?.ino ?? 0;
}

/** FNV-1a, 32 bits: a socket's path may have 107 bytes at most, and the probe should not load `node:crypto`. */
function hash(text: string): string {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++)
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return (value >>> 0).toString(36);
}
