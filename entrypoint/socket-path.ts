/** Ground floor: where the admin socket is. The server and the probe find it without talking about it. */
import { statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Best folder first. `/dev/shm` is writable in every container, read-only root or not.
 * The name carries the mount namespace, because the containers of one pod share `/dev/shm`, and the working directory,
 * because outside containers several apps share one machine.
 */
export function socketPaths(cwd: string): string[] {
  const name = `sallyport-${mountNamespace()}-${hash(cwd)}.sock`;
  return ["/run/sallyport", "/dev/shm", tmpdir()].map((folder) => join(folder, name));
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
