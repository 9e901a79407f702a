/** PostgreSQL by `pg`, which is in the bundle. */
import pg from "pg";
import { errorName, SallyportError } from "../errors.ts";
import { networkFault } from "../http.ts";
import { TransientError } from "../retry.ts";
import { type Row, type Session, StatementError } from "./session.ts";
import type { Target } from "./target.ts";

const CONNECT_TIMEOUT_MS = 10_000;

export async function openPostgres(target: Target, signal: AbortSignal): Promise<Session> {
  const client = new pg.Client(optionsOf(target));
  const lost = new AbortController();
  client.on("error", (error) => lost.abort(error));
  client.on("end", () => lost.abort(new Error("the connection ended")));
  // A server that hangs does not answer a goodbye either.
  const abandon = () => streamOf(client).destroy();
  signal.addEventListener("abort", abandon, { once: true });
  try {
    await client.connect();
  } catch (error) {
    abandon();
    throw signal.aborted ? signal.reason : connectFault(error, target.title);
  } finally {
    signal.removeEventListener("abort", abandon);
  }
  return {
    run: async (script) => void (await client.query(script).catch(fail)),
    query: async (sql, parameters = []) =>
      (await client.query(sql, [...parameters]).catch(fail)).rows as Row[],
    cancel: () => cancel(target, client),
    lost: lost.signal,
    close: () => end(client),
  };
}

const END_MS = 2_000;

/** A connection that is half open never says goodbye. */
async function end(client: pg.Client): Promise<void> {
  const impatience = setTimeout(() => streamOf(client).destroy(), END_MS);
  await client.end().catch(() => {});
  clearTimeout(impatience);
}

/** TLS takes the place of the first one. */
function streamOf(client: pg.Client): { destroy(): void } {
  return (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream;
}

function optionsOf({ host, port, user, password, name, tls, options }: Target): pg.ClientConfig {
  return {
    host,
    port,
    user,
    password: String(password.reveal()),
    database: name,
    ssl: typeof tls === "object" ? { ca: tls.ca } : tls,
    application_name: "sallyport",
    ...(options !== undefined && { options }),
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  };
}

/** By the protocol's own message, on a second connection: the first one is busy, and a pooler knows whom it means. */
function cancel({ host, port }: Target, busy: pg.Client): Promise<void> {
  const { processID, secretKey } = busy as unknown as { processID: number; secretKey: number };
  const connection = new pg.Connection() as unknown as Canceller;
  return new Promise((resolve) => {
    connection.once("connect", () => connection.cancel(processID, secretKey));
    for (const event of ["end", "error"]) connection.once(event, () => resolve());
    if (host.startsWith("/")) connection.connect(`${host}/.s.PGSQL.${port}`);
    else connection.connect(port, host);
  });
}

interface Canceller extends NodeJS.EventEmitter {
  connect(port: number | string, host?: string): void;
  cancel(processID: number, secretKey: number): void;
}

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const REFUSED = /^(28P01|28000|3D000|42501)$/;
const PASSING = /^(57P0[123]|53300|53400|08...)$/;

function connectFault(error: unknown, title: string): Error {
  const code = errorName(error);
  if (REFUSED.test(code)) {
    return new SallyportError(
      "DATABASE_REFUSED",
      `${title}: the database refused the login (SQLSTATE ${code})`,
      {
        hint: "Check user, password, the database's name and pg_hba.conf.",
        cause: error,
      },
    );
  }
  if (PASSING.test(code))
    return new TransientError(`it is starting, stopping or full (SQLSTATE ${code})`, { cause: error });
  if (error instanceof Error && /timeout/.test(error.message))
    return new TransientError("no answer in time", { cause: error });
  if (error instanceof Error && /server does not support SSL/.test(error.message)) {
    return new SallyportError("DATABASE_REFUSED", `${title}: the server does not speak TLS`, {
      hint: "Turn TLS on there, or off in the setting.",
    });
  }
  return networkFault(error, title, "DATABASE_UNREACHABLE");
}

/** Class 22 is about data. */
const QUOTES_DATA = /^22/;

/** `detail` and `where` of PostgreSQL's errors quote rows, and so does the message of those about data. */
function fail(error: unknown): never {
  const { code, message, position } = error as { code?: string; message: string; position?: string };
  const words = QUOTES_DATA.test(code ?? "") ? message.replace(/["«„][\s\S]*["»“]/, '"…"') : message;
  throw new StatementError(
    code ?? errorName(error),
    words,
    position === undefined ? undefined : Number(position),
  );
}
