/** A real MariaDB: the server that MYSQL_URL names (its login may do everything), else a private one of Debian's mariadb-server. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import mysql from "mysql2/promise";
import { CERTIFICATE, KEY } from "../fakes/certificate.ts";

export interface MariadbServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** The server's own database. */
  readonly url: string;
  /** A fresh database; returns its URL. */
  createDatabase(): Promise<string>;
  close(): Promise<void>;
}

const DAEMON = ["/usr/sbin/mariadbd", "/usr/local/bin/mariadbd", "/usr/bin/mariadbd"].find(existsSync);
const IS_ROOT = process.getuid?.() === 0;
const USER = "sallyport";
const PASSWORD = "correct-horse-battery";
const START_MS = 60_000;

/** Why the tests that need it are skipped, and `false` if they can run, or have to. */
export const noMariadb =
  process.env.MYSQL_URL || process.env.REQUIRE_SERVERS || DAEMON
    ? false
    : "no MariaDB here; apt-get install mariadb-server, or set MYSQL_URL";

export async function startMariadb(): Promise<MariadbServer> {
  const { url, stop } = process.env.MYSQL_URL
    ? { url: process.env.MYSQL_URL, stop: async () => {} }
    : await startPrivate();
  const { hostname: host, port, username: user, password } = new URL(url);
  const made: string[] = [];
  const close = async () => {
    if (process.env.MYSQL_URL) for (const name of made) await query(url, `drop database if exists ${name}`);
    await stop();
  };
  return {
    host,
    port: Number(port || 3306),
    user,
    password,
    url,
    async createDatabase() {
      const name = `test_${process.pid}_${made.length + 1}`;
      made.push(name);
      await query(url, `create database ${name}`);
      return Object.assign(new URL(url), { pathname: `/${name}` }).href;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** One query on a connection of its own. */
export async function query(
  url: string,
  sql: string,
  parameters: (string | number)[] = [],
): Promise<Record<string, unknown>[]> {
  const connection = await mysql.createConnection(url);
  try {
    const [rows] = await connection.query(sql, parameters);
    return rows as Record<string, unknown>[];
  } finally {
    await connection.end();
  }
}

async function startPrivate(): Promise<{ url: string; stop: () => Promise<void> }> {
  if (!DAEMON) throw new Error("REQUIRE_SERVERS is set, but there is neither a MYSQL_URL nor a mariadbd");
  const folder = mkdtempSync(join(tmpdir(), "sallyport-mariadb-"));
  // Its own user has to get to its folder.
  chmodSync(folder, 0o755);
  const port = await freePort();
  const server = spawn(DAEMON, optionsOf(folder, port), { stdio: ["ignore", "pipe", "pipe"] });
  const kill = () => void server.kill("SIGKILL");
  process.once("exit", kill);
  let log = "";
  for (const output of [server.stdout, server.stderr])
    output.setEncoding("utf8").on("data", (text) => {
      log += text;
    });
  await answers(server, join(folder, "socket"), () => log);
  const url = `mysql://${USER}:${PASSWORD}@127.0.0.1:${port}/test`;
  const stop = async () => {
    const ended = new Promise((resolve) => server.once("exit", resolve));
    // Nothing in it is worth an orderly end.
    kill();
    await ended;
    process.off("exit", kill);
    rmSync(folder, { recursive: true, force: true });
  };
  return { url, stop };
}

/** Makes the data folder, and returns how to start the server on it. */
function optionsOf(folder: string, port: number): string[] {
  const data = join(folder, "data");
  const owner = IS_ROOT ? ["--user=mysql"] : [];
  mkdirSync(data);
  execFileSync(
    "mariadb-install-db",
    ["--no-defaults", ...owner, `--datadir=${data}`, "--auth-root-authentication-method=normal"],
    { stdio: "pipe" },
  );
  writeFileSync(join(folder, "certificate.pem"), CERTIFICATE);
  writeFileSync(join(folder, "key.pem"), KEY);
  writeFileSync(
    join(folder, "first.sql"),
    `create database if not exists test;\ngrant all on *.* to ${USER}@localhost identified by '${PASSWORD}' with grant option;\n`,
  );
  if (IS_ROOT) execFileSync("chown", ["-R", "mysql:", folder]);
  return [
    "--no-defaults",
    ...owner,
    `--datadir=${data}`,
    `--socket=${join(folder, "socket")}`,
    `--init-file=${join(folder, "first.sql")}`,
    `--ssl-cert=${join(folder, "certificate.pem")}`,
    `--ssl-key=${join(folder, "key.pem")}`,
    "--skip-networking=0",
    "--bind-address=127.0.0.1",
    `--port=${port}`,
    "--max-connections=200",
    // Far from UTC, so that a time without a zone shows.
    "--default-time-zone=+05:30",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-buffer-pool-size=32M",
  ];
}

async function answers(server: ChildProcess, socketPath: string, log: () => string): Promise<void> {
  const deadline = performance.now() + START_MS;
  for (;;) {
    if (server.exitCode !== null || server.signalCode !== null)
      throw new Error(`mariadbd ended by itself\n${log()}`);
    const connection = await mysql
      .createConnection({ socketPath, user: "root" })
      .catch((error: unknown) => error as Error);
    if (!(connection instanceof Error)) return connection.end();
    if (performance.now() > deadline)
      throw new Error(`mariadbd did not answer: ${connection.message}\n${log()}`);
    await delay(100);
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}
