/** What both Redis clients have in common: a login that fails at once, and the name that the server knows. */
import type { Emitter } from "./listeners.ts";

/** Both try for ever by themselves, with a wrong password, too: the first error is the answer. */
export function untilReady(client: Emitter, open: () => unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: unknown) => {
      client.removeListener("ready", onReady);
      client.removeListener("error", settle);
      client.removeListener("end", onEnd);
      if (error) reject(error);
      else resolve();
    };
    const onReady = () => settle();
    const onEnd = () => settle(Object.assign(new Error("the connection ended"), { code: "ECONNRESET" }));
    client.on("ready", onReady);
    client.on("error", settle);
    client.on("end", onEnd);
    open();
  });
}

/** A user who may not ask for his own name is logged in all the same, and so is one of a server before Redis 6. */
export async function whoAmI(ask: () => Promise<unknown>): Promise<string | undefined> {
  try {
    const name = await ask();
    return typeof name === "string" ? name : undefined;
  } catch (error) {
    if (error instanceof Error && /^(NOPERM|ERR)\b/.test(error.message)) return undefined;
    throw error;
  }
}

export function nameOf(username: unknown): string | undefined {
  return typeof username === "string" && username !== "" ? username : undefined;
}

/** A command may be made of two, and what a caller does with the first answer takes a moment. */
export const QUIET_MS = 100;
