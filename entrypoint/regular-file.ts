/** Ground floor: reads a file that is one. */
import { closeSync, constants, fstatSync, open, read, readFile } from "node:fs";
import { promisify } from "node:util";

export interface FileContent {
  readonly bytes: Buffer;
  readonly modified: Date;
}

/**
 * A pipe would block a thread that even an exit waits for, and a device might never end: they are opened without waiting, and not read.
 * @throws the system's error, ENOTFILE, or EFBIG beyond `maxBytes`
 */
export async function readRegularFile(path: string, maxBytes: number): Promise<FileContent> {
  const file = await promisify(open)(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(file);
    if (!stats.isFile()) throw Object.assign(new Error("not a regular file"), { code: "ENOTFILE" });
    const bytes = stats.size > maxBytes ? undefined : await readToEnd(file, stats.size);
    if (!bytes || bytes.length > maxBytes) throw Object.assign(new Error("too large"), { code: "EFBIG" });
    return { bytes, modified: stats.mtime };
  } finally {
    closeSync(file);
  }
}

/** In one read, where the file says how long it is; and never into memory that is shared with other buffers. */
async function readToEnd(file: number, size: number): Promise<Buffer> {
  const { bytesRead, buffer } = await promisify(read)(file, Buffer.alloc(size), 0, size, null);
  if (size > 0 && bytesRead === size) return buffer;
  return Buffer.concat([buffer.subarray(0, bytesRead), await promisify(readFile)(file)]);
}
