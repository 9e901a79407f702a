/** A real Redis of its own, by Debian's redis-server. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createClient, type RedisClientType } from "redis";
import { makeFolder } from "../folder.ts";
import { freePort } from "./postgres.ts";

export interface RedisServer extends AsyncDisposable {
  readonly port: number;
  url(user: string, password: string): string;
  /** One command of an administrator. */
  ask(...command: string[]): Promise<unknown>;
  close(): Promise<void>;
}

const PROGRAM = ["/usr/bin/redis-server", "/usr/local/bin/redis-server"].find((path) => existsSync(path));
const ADMIN = ["admin", "correct-horse-battery"] as const;
const START_MS = 30_000;

/** Why the tests that need it are skipped, and `false` if they can run, or have to. */
export const noRedis: string | false =
  PROGRAM === undefined && !process.env.REQUIRE_SERVERS && "no Redis here; apt-get install redis-server";

export async function startRedis(): Promise<RedisServer> {
  if (!PROGRAM) throw new Error("REQUIRE_SERVERS is set, but redis-server is not installed");
  const port = await freePort();
  const config = join(makeFolder(), "redis.conf");
  const [name, password] = ADMIN;
  writeFileSync(
    config,
    `bind 127.0.0.1\nport ${port}\nsave ""\nappendonly no\nuser default off\nuser ${name} on >${password} ~* &* +@all\n`,
  );
  const server = spawn(PROGRAM, [config], { stdio: "ignore" });
  const kill = () => void server.kill("SIGKILL");
  process.once("exit", kill);
  const url = (user: string, secret: string) => `redis://${user}:${secret}@127.0.0.1:${port}`;
  const admin = await connect(url(...ADMIN), server);
  const close = async () => {
    admin.destroy();
    process.off("exit", kill);
    const ended = once(server, "exit");
    kill();
    await ended;
  };
  return { port, url, ask: (...command) => admin.sendCommand(command), close, [Symbol.asyncDispose]: close };
}

async function connect(url: string, server: ChildProcess): Promise<RedisClientType> {
  const deadline = performance.now() + START_MS;
  for (;;) {
    const client: RedisClientType = createClient({ url, socket: { reconnectStrategy: false } });
    client.on("error", () => {});
    const fault = await client.connect().then(
      () => undefined,
      (error: Error) => error,
    );
    if (!fault) return client;
    if (server.exitCode !== null || performance.now() > deadline)
      throw new Error("redis-server did not answer", { cause: fault });
    await delay(50);
  }
}
