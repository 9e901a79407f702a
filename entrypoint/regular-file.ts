/** Ground floor: reads a file that is one. */
import * as fs from "node:fs";
import { promisify } from "node:util";

const [open, read, readFile] = [promisify(fs.open), promisify(fs.read), promisify(fs.readFile)];

export interface FileContent {
  readonly bytes: Buffer;
  readonly modified: Date;
}

const FLAGS = fs.constants.O_RDONLY | fs.constants.O_NONBLOCK | fs.constants.O_NOCTTY;

/**
 * A pipe would block a thread that even an exit waits for, and a device might never end: neither is waited for, or read. (Who waits at
 * the pipe's other end is let through, to nobody.)
 * @throws the system's error, ENOTFILE, or EFBIG beyond `maxBytes`
 */
export async function readRegularFile(path: string, maxBytes: number): Promise<FileContent> {
  const file = await open(path, FLAGS).catch((error) => {
    throw error.code === "ENXIO" || error.code === "EOPNOTSUPP" ? fault("ENOTFILE") : error; // a socket
  });
  try {
    const stats = fs.fstatSync(file);
    if (!stats.isFile()) throw fault("ENOTFILE");
    if (stats.size > maxBytes) throw fault("EFBIG");
    const bytes = await readToEnd(file, stats.size);
    if (bytes.length > maxBytes) throw fault("EFBIG");
    return { bytes, modified: stats.mtime };
  } finally {
    fs.closeSync(file);
  }
}

/** In one read, where the file says how long it is; and into memory that no other buffer shares. */
async function readToEnd(file: number, size: number): Promise<Buffer> {
  const { bytesRead, buffer } = await read(file, Buffer.alloc(size), 0, size, null);
  if (size > 0 && bytesRead === size) return buffer;
  const rest = await readFile(file);
  const all = Buffer.alloc(bytesRead + rest.length);
  buffer.copy(all, 0, 0, bytesRead);
  rest.copy(all, bytesRead);
  return all;
}

function fault(code: "ENOTFILE" | "EFBIG"): Error {
  return Object.assign(new Error("not a file, or too large"), { code });
}
