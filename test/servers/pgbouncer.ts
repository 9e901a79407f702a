/** A real PgBouncer in front of a database, lending its connections by the transaction. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { makeFolder } from "../folder.ts";
import { freePort, query } from "./postgres.ts";

const PROGRAM = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].find((path) => existsSync(path));
/** PgBouncer refuses to run as root. */
const NOBODY = 65_534;

/** Why the suite can't run here, or `false`. With REQUIRE_SERVERS that is a failure. */
export const noPgbouncer: string | false =
  PROGRAM === undefined && !process.env.REQUIRE_SERVERS && "no pgbouncer; .ci/run installs it";

export interface Pooler extends AsyncDisposable {
  /** Through the pooler. */
  readonly url: string;
}

/** @param poolSize how few server connections it makes do with */
export async function startPgbouncer(database: string, poolSize: number): Promise<Pooler> {
  if (!PROGRAM) throw new Error("REQUIRE_SERVERS is set, but pgbouncer is not installed");
  const { hostname, port, username, password, pathname } = new URL(database);
  const listen = await freePort();
  const folder = makeFolder();
  const config = join(folder, "pgbouncer.ini");
  const login = `user=${username} password=${password}`;
  writeFileSync(
    config,
    `[databases]\n* = host=${hostname} port=${port} ${login}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${listen}
auth_type = any\npool_mode = transaction\ndefault_pool_size = ${poolSize}\nunix_socket_dir =\nignore_startup_parameters = extra_float_digits\n`,
  );
  chmodSync(folder, 0o755);
  const root = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  const server = spawn(PROGRAM, [config], { ...root, stdio: "ignore" });
  const url = `postgres://${username}:any@127.0.0.1:${listen}${pathname}`;
  for (let tries = 0; ; tries++) {
    const answered = await query(url, "select 1").catch(() => undefined);
    if (answered) break;
    if (tries > 100) throw new Error("pgbouncer did not answer");
    await delay(50);
  }
  return {
    url,
    async [Symbol.asyncDispose]() {
      server.kill("SIGKILL");
      await once(server, "exit");
    },
  };
}
