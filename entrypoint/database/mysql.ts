/** MySQL and MariaDB by `mysql2`, which the app has to bring: only those who use it carry it. */
import { createRequire } from "node:module";
import { connect as connectSocket, type Socket } from "node:net";
import { join } from "node:path";
import type { Connection, ConnectionOptions } from "mysql2";
import { abortable } from "../abort.ts";
import { errorName, SallyportError } from "../errors.ts";
import { networkFault } from "../http.ts";
import { TransientError } from "../retry.ts";
import { type Row, type Session, StatementError } from "./session.ts";
import type { Target } from "./target.ts";

type Driver = Pick<typeof import("mysql2"), "createConnection">;

const CONNECT_TIMEOUT_MS = 10_000;
/** Some servers end a connection that is silent for a minute, and a lock's connection is silent. */
const IDLE_TIMEOUT_S = 8 * 3600;

/** @throws {SallyportError} DRIVER_MISSING when `mysql2` is not installed where the config is */
export async function openMysql(
  directory: string,
): Promise<(target: Target, signal: AbortSignal) => Promise<Session>> {
  const driver = loadDriver(directory);
  return (target, signal) => openSession(driver, target, signal);
}

function loadDriver(directory: string): Driver {
  const require = createRequire(join(directory, "package.json"));
  try {
    return require("mysql2") as Driver;
  } catch (cause) {
    throw new SallyportError(
      "DRIVER_MISSING",
      `mysql2 can't be loaded from ${directory} (${errorName(cause)})`,
      {
        hint: "MySQL and MariaDB need the app's own driver: npm install mysql2, and copy node_modules into the image.",
        cause,
      },
    );
  }
}

async function openSession(driver: Driver, target: Target, signal: AbortSignal): Promise<Session> {
  const connection = await connect(driver, target, signal);
  const lost = new AbortController();
  connection.on("error", (error) => lost.abort(error));
  connection.on("end", () => lost.abort(new Error("the connection ended")));
  const promised = connection.promise();
  let running = 0;
  const ask = async (statement: () => Promise<[unknown, unknown]>): Promise<unknown> => {
    running++;
    try {
      return (await statement())[0];
    } catch (error) {
      throw statementError(error);
    } finally {
      running--;
    }
  };
  return {
    run: async (script) => void (await ask(() => promised.query({ sql: script }))),
    async query(sql, parameters = []) {
      const values = parameters.map((it) => it ?? null) as (string | number | null)[];
      // Prepared, so that no value becomes part of a text that an error could quote.
      const rows = await ask(() =>
        values.length > 0 ? promised.execute({ sql, values }) : promised.query({ sql }),
      );
      return Array.isArray(rows) ? (rows as Row[]) : [];
    },
    cancel: () => cancel(driver, target, connection.threadId),
    lost: lost.signal,
    async close() {
      // A farewell would wait for the statement that runs.
      if (running > 0 || lost.signal.aborted) connection.destroy();
      else await promised.end().catch(() => {});
    },
  };
}

/** @throws {SallyportError | TransientError} */
async function connect(driver: Driver, target: Target, signal: AbortSignal): Promise<Connection> {
  signal.throwIfAborted();
  const connection = driver.createConnection(optionsOf(target));
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abandon = () => reject(signal.reason);
  // It stays: an error after the first would end the process if nobody listened.
  connection.on("error", reject);
  connection.once("connect", () => resolve());
  signal.addEventListener("abort", abandon, { once: true });
  try {
    await promise;
    const prepared = connection
      .promise()
      .query(`set session wait_timeout = ${IDLE_TIMEOUT_S}, autocommit = 1`);
    await abortable(prepared, signal);
    return connection;
  } catch (error) {
    connection.destroy();
    throw signal.aborted ? signal.reason : connectFault(error, target.title);
  } finally {
    signal.removeEventListener("abort", abandon);
  }
}

function optionsOf({ host, port, user, password, name, tls }: Target): ConnectionOptions {
  return {
    ...(host.startsWith("/") ? { socketPath: host } : { host, port, stream: () => dial(host, port) }),
    user,
    password: String(password.reveal()),
    database: name,
    // By default it would take any host's certificate.
    ...(tls === false
      ? {}
      : { ssl: { verifyIdentity: true, ...(typeof tls === "object" ? { ca: tls.ca } : {}) } }),
    multipleStatements: true,
    // Times have no zone there, and a Date would give them ours.
    dateStrings: true,
    supportBigNumbers: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    connectAttributes: { program_name: "sallyport" },
  };
}

/**
 * As the driver would do it, but for the mark that Node leaves on sockets to a name: for an address the driver names no server to
 * TLS, and the certificate would be held against `localhost`.
 */
function dial(host: string, port: number): Socket {
  const socket = connectSocket({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 });
  return Object.assign(socket, { _host: host });
}

/** On a second connection, since the first one is busy. The connection lives on, its statement fails. */
async function cancel(driver: Driver, target: Target, busy: number): Promise<void> {
  const connection = await connect(driver, target, AbortSignal.timeout(CONNECT_TIMEOUT_MS));
  await connection
    .promise()
    .query(`kill query ${busy}`)
    .catch((error) => Promise.reject(statementError(error)))
    .finally(() => connection.destroy());
}

/** https://dev.mysql.com/doc/mysql-errors/9.0/en/server-error-reference.html */
const REFUSED =
  /^ER_(ACCESS_DENIED_(NO_PASSWORD_)?ERROR|BAD_DB_ERROR|DBACCESS_DENIED_ERROR|HOST_NOT_PRIVILEGED|ACCOUNT_HAS_BEEN_LOCKED|MUST_CHANGE_PASSWORD_LOGIN|NOT_SUPPORTED_AUTH_MODE|SECURE_TRANSPORT_REQUIRED)$|^AUTH_SWITCH_PLUGIN_ERROR$/;

function connectFault(error: unknown, title: string): Error {
  const code = errorName(error);
  if (REFUSED.test(code)) {
    return new SallyportError("DATABASE_REFUSED", `${title}: the database refused the login (${code})`, {
      hint: "Check user, password, the database's name, the hosts that the user may come from, and whether it asks for TLS.",
      cause: error,
    });
  }
  if (code === "HANDSHAKE_NO_SSL_SUPPORT") {
    return new SallyportError("DATABASE_REFUSED", `${title}: the server does not speak TLS`, {
      hint: "Turn TLS on there, or off in the setting.",
    });
  }
  // The driver's one code for all of TLS, in the place of the one that would tell.
  if (code === "HANDSHAKE_SSL_ERROR" && error instanceof Error && /certificate/i.test(error.message)) {
    return new SallyportError(
      "DATABASE_UNREACHABLE",
      `${title} has a TLS certificate that can't be trusted: ${error.message}`,
      {
        hint: "Give the certificate of its authority in the setting that database.tls names.",
        cause: error,
      },
    );
  }
  if (/^ER_(CON_COUNT_ERROR|TOO_MANY_USER_CONNECTIONS|SERVER_SHUTDOWN)$/.test(code))
    return new TransientError(`it is starting, stopping or full (${code})`, { cause: error });
  return networkFault(error, title, "DATABASE_UNREACHABLE");
}

interface DriverError extends Error {
  /** Missing for errors that only MariaDB knows. */
  readonly code?: string;
  readonly errno?: number;
  readonly sqlMessage?: string;
  readonly fatal?: boolean;
}

/** Errors whose message quotes a row: 1062 is "Duplicate entry 'ada@example.com' for key 'email'". */
const QUOTING = [1062, 1292, 1300, 1366, 1367, 1411, 1525, 1526, 1586, 1690];
const QUOTE = /'[\s\S]*'(?= for )|'[\s\S]*'$|(?<= for value )[\s\S]*$/;

function statementError(error: unknown): StatementError {
  const { code, errno, sqlMessage, message, fatal } = error as DriverError;
  const name = code ?? (errno ? `ER_${errno}` : fatal ? "PROTOCOL_CONNECTION_LOST" : errorName(error));
  const words = sqlMessage ?? message;
  return new StatementError(
    name,
    errno !== undefined && QUOTING.includes(errno) ? words.replace(QUOTE, "'…'") : words,
  );
}
