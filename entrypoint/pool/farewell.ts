/** A goodbye to a server that may be gone. */

/** A socket, or a stream over one. */
export interface Closable {
  on(event: "close", listener: () => void): unknown;
  destroy(): unknown;
}

const PATIENCE_MS = 1_000;

/** A server that is gone without a word never lets go, and as long as a connection counts, the new pool has to do without it. */
export function closeInTime(socket: Closable): void {
  const impatience = setTimeout(() => socket.destroy(), PATIENCE_MS);
  socket.on("close", () => clearTimeout(impatience));
}
