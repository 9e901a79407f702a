/** Ground floor: reads a file that is one. */
import { readFile, stat } from "node:fs";
import { promisify } from "node:util";

export interface FileContent {
  readonly bytes: Buffer;
  readonly modified: Date;
}

/**
 * A pipe or a device would block a thread that even an exit waits for, or never end.
 * @throws the system's error, ENOTFILE, or EFBIG beyond `maxBytes`
 */
export async function readRegularFile(path: string, maxBytes: number): Promise<FileContent> {
  const stats = await promisify(stat)(path);
  if (!stats.isFile()) throw Object.assign(new Error("not a regular file"), { code: "ENOTFILE" });
  if (stats.size > maxBytes) throw Object.assign(new Error("too large"), { code: "EFBIG" });
  return { bytes: await promisify(readFile)(path), modified: stats.mtime };
}
