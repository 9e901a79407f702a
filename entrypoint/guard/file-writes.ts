/** The functions of `node:fs` that write to stdout and stderr without their streams, as loggers do. */
import type { Stats } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import type { Channel, Chunk } from "./channel.ts";

type Args = readonly unknown[];
type Callback = (error: Error | null, written?: number, data?: unknown) => void;
// biome-ignore lint/suspicious/noExplicitAny: functions of `fs`, with all that they may be called with
type Anything = any;

/** What the app gets, too, and not a copy of it. */
const fs = process.getBuiltinModule("node:fs");
const RETRY_MS = 5;

/** @param channels by file descriptor; those of what is opened by a name of the same files join them */
export function maskFileWrites(channels: Map<number, Channel>): void {
  const { writeSync, write, writevSync, writev } = fs as Anything;

  replaceFunction("writeSync", (...args: Args) => {
    const asked = whatIsWritten(channels, args);
    const out = asked?.channel.pass(asked.chunk, asked.encoding);
    if (!asked || out === asked.chunk) return writeSync(...args);
    writeAllSync(writeSync, args[0] as number, toBytes(out as Chunk));
    return lengthOf(asked.chunk, asked.encoding);
  });
  replaceFunction("write", (...args: Args) => {
    const done = callbackOf(args);
    const asked = done && whatIsWritten(channels, args);
    const out = asked?.channel.pass(asked.chunk, asked.encoding);
    if (!asked || out === asked.chunk) return write(...args);
    const written = lengthOf(asked.chunk, asked.encoding);
    writeAll(write, args[0] as number, toBytes(out as Chunk), (error) => done(error, written, args[1]));
  });
  replaceFunction("writevSync", (fd: number, buffers: Uint8Array[], ...rest: Args) => {
    const all = channels.has(fd) ? Buffer.concat(buffers) : undefined;
    const out = all && channels.get(fd)?.pass(all);
    if (!all || out === all) return writevSync(fd, buffers, ...rest);
    writeAllSync(writeSync, fd, toBytes(out as Chunk));
    return all.length;
  });
  replaceFunction("writev", (fd: number, buffers: Uint8Array[], ...rest: Args) => {
    const done = callbackOf(rest);
    const all = channels.has(fd) ? Buffer.concat(buffers) : undefined;
    const out = all && done && channels.get(fd)?.pass(all);
    if (!all || !done || out === all) return writev(fd, buffers, ...rest);
    writeAll(write, fd, toBytes(out as Chunk), (error) => done(error, all.length, buffers));
  });
  const standard = findStandard(channels);
  maskWholeFiles(channels, standard);
  watchDescriptors(channels, standard);
  // Without it, modules that were linked earlier keep `import { writeSync } from "node:fs"` as it was.
  syncBuiltinESMExports();
}

/** The promise forms that `util.promisify` finds hang on the functions as properties. */
function replaceFunction(name: keyof typeof fs, replacement: Anything): void {
  const before = fs[name] as object;
  const { length: _, ...properties } = Object.getOwnPropertyDescriptors(before);
  Object.assign(fs, { [name]: Object.defineProperties(replacement, properties as Anything) });
}

/** Node itself says what is wrong with a call that has none. */
function callbackOf(args: Args): Callback | undefined {
  return args.findLast((it) => typeof it === "function") as Callback | undefined;
}

/** The slice that `write` and `writeSync` were asked to write; `undefined` where it is none of our business. */
function whatIsWritten(channels: ReadonlyMap<number, Channel>, [fd, data, ...rest]: Args) {
  const channel = channels.get(fd as number);
  if (!channel) return undefined;
  if (typeof data === "string") {
    const encoding = typeof rest[1] === "string" && Buffer.isEncoding(rest[1]) ? rest[1] : "utf8";
    return { channel, chunk: data as Chunk, encoding };
  }
  if (!ArrayBuffer.isView(data)) return undefined; // an error that Node itself will name
  const [first, second] = rest;
  const options = (typeof first === "object" && first) || { offset: first, length: second };
  const { offset, length } = options as { offset?: unknown; length?: unknown };
  const from = typeof offset === "number" ? offset : 0;
  const size = typeof length === "number" ? length : data.byteLength - from;
  if (from < 0 || size < 0 || from + size > data.byteLength) return undefined;
  return {
    channel,
    chunk: Buffer.from(data.buffer, data.byteOffset + from, size),
    encoding: "utf8" as const,
  };
}

function toBytes(chunk: Chunk): Uint8Array {
  return typeof chunk === "string" ? Buffer.from(chunk) : chunk;
}

function lengthOf(chunk: Chunk, encoding: BufferEncoding): number {
  return typeof chunk === "string" ? Buffer.byteLength(chunk, encoding) : chunk.byteLength;
}

/** What has been blanked out can't be handed back as "not written", so a full pipe is waited for. */
function writeAllSync(writeSync: typeof fs.writeSync, fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
}

function writeAll(
  write: typeof fs.write,
  fd: number,
  bytes: Uint8Array,
  done: (error: Error | null) => void,
): void {
  if (bytes.length === 0) return void process.nextTick(done, null);
  write(fd, bytes, (error, written) => {
    if (error && error.code !== "EAGAIN") return done(error);
    const rest = error ? bytes : bytes.subarray(written);
    if (rest.length === 0) return done(null);
    setTimeout(() => writeAll(write, fd, rest, done), error ? RETRY_MS : 0);
  });
}

/** Finds the channel of a file that is open as stdout or stderr. */
interface Standard {
  of(stats: Stats | undefined): Channel | undefined;
}

/**
 * By device and inode, because it has many names: `/dev/stdout`, `/proc/thread-self/fd/1`, and whatever an image links to them,
 * as in `ln -s /dev/stdout /var/log/app.log`.
 */
function findStandard(channels: ReadonlyMap<number, Channel>): Standard {
  const known = new Map<string, Channel>();
  for (const [fd, channel] of channels) {
    const stats = attempt(() => fs.fstatSync(fd));
    if (stats && !known.has(identityOf(stats))) known.set(identityOf(stats), channel);
  }
  return { of: (stats) => stats && known.get(identityOf(stats)) };
}

function identityOf({ dev, ino }: Stats): string {
  return `${dev}:${ino}`;
}

/** A file that can't be looked at is for the caller of `fs` to meet. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

/** `writeFileSync` and `appendFileSync` go to the system by themselves; their asynchronous forms go through `write`. */
function maskWholeFiles(channels: ReadonlyMap<number, Channel>, standard: Standard): void {
  const { writeFileSync, statSync } = fs;
  const channelOf = (target: Anything) =>
    typeof target === "number" ? channels.get(target) : standard.of(attempt(() => statSync(target)));
  replaceFunction("writeFileSync", (target: unknown, data: unknown, options?: unknown) => {
    const channel = channelOf(target);
    if (!channel || (typeof data !== "string" && !ArrayBuffer.isView(data)))
      return writeFileSync(target as Anything, data as Anything, options as Anything);
    const given = typeof options === "string" ? options : (options as { encoding?: string } | null)?.encoding;
    const encoding = given && Buffer.isEncoding(given) ? given : "utf8";
    const chunk =
      typeof data === "string" ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    return writeFileSync(target as Anything, channel.pass(chunk, encoding), options as Anything);
  });
}

/** A file that is opened for writing as `/dev/stdout` has a descriptor of its own, until it is closed. */
function watchDescriptors(channels: Map<number, Channel>, standard: Standard): void {
  const { openSync, open, closeSync, close, fstatSync } = fs as Anything;
  const join = (fd: number) => {
    const channel = standard.of(attempt(() => fstatSync(fd)));
    if (channel) channels.set(fd, channel);
  };
  const leave = (fd: number) => void (fd > 2 && channels.delete(fd));
  replaceFunction("openSync", (...args: Args) => {
    const fd = openSync(...args);
    if (isForWriting(args[1])) join(fd);
    return fd;
  });
  replaceFunction("open", (...args: Args) => {
    const done = args.at(-1) as Callback;
    if (typeof done !== "function" || !isForWriting(args[1])) return open(...args);
    return open(...args.slice(0, -1), (error: Error | null, fd: number) => {
      if (!error) join(fd);
      done(error, fd);
    });
  });
  replaceFunction("closeSync", (fd: number) => {
    leave(fd);
    return closeSync(fd);
  });
  replaceFunction("close", (fd: number, ...rest: Args) => {
    leave(fd);
    return close(fd, ...rest);
  });
}

function isForWriting(flags: unknown): boolean {
  if (typeof flags === "number") return (flags & (fs.constants.O_WRONLY | fs.constants.O_RDWR)) !== 0;
  return typeof flags === "string" && /[wa+]/.test(flags);
}
