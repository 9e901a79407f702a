/** Why a pool's credentials do not work: drivers' messages may carry values, so it is told in our words, with their code. */
import { isTimeout } from "../abort.ts";
import { errorName, type Problem } from "../errors.ts";

type Fault = Pick<Problem, "kind" | "message">;

/** SQLSTATE, names of MySQL's errors, the first word of Redis's answers, and what Node says of sockets. */
const FAULTS: readonly (readonly [codes: RegExp, words: string, kind?: Problem["kind"]])[] = [
  [
    /^(28P01|28000|ER_ACCESS_DENIED_\w+|ER_ACCOUNT_HAS_BEEN_LOCKED|ER_MUST_CHANGE_PASSWORD\w*|ER_NOT_SUPPORTED_AUTH_MODE|AUTH_SWITCH_PLUGIN_ERROR|WRONGPASS|NOAUTH)$/,
    "the server refused the login",
    "denied",
  ],
  [
    /^(42501|ER_\w*ACCESS_?DENIED_ERROR|ER_SPECIFIC_ACCESS_DENIED_ERROR|NOPERM)$/,
    "the login lacks a right",
    "denied",
  ],
  [/^(3D000|ER_BAD_DB_ERROR)$/, "there is no such database", "invalid"],
  [
    /^(53300|ER_CON_COUNT_ERROR|ER_TOO_MANY_USER_CONNECTIONS|ER_USER_LIMIT_REACHED)$/,
    "the server takes no more connections",
  ],
  [/^(57P0[123]|ER_SERVER_SHUTDOWN|LOADING|MASTERDOWN)$/, "the server is starting or stopping"],
  [/CERT|SELF_SIGNED|UNABLE_TO_|^ERR_TLS|^ERR_SSL|^HANDSHAKE_/, "TLS with the server failed"],
  [/^(ETIMEDOUT|TimeoutError|ConnectionTimeoutError|KnexTimeoutError)$/, "the server did not answer in time"],
  [
    /^(ECONN\w+|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|EPIPE|ENOENT|EACCES|PROTOCOL_CONNECTION_LOST|SocketClosedUnexpectedlyError)$/,
    "the server can't be reached",
  ],
  [
    /^SETTINGS_UNREAD$/,
    "create reads nothing of the settings that it is given, so it can't be given new ones",
    "invalid",
  ],
  [/^POOL_IN_USE$/, "create gave the pool that is in use, and not a new one", "invalid"],
];

export function describeFault(error: unknown, signal: AbortSignal): Fault {
  const code = codeOf(error);
  if (signal.aborted && isTimeout(signal.reason)) return { message: "the server did not answer in time" };
  const [, words = "the pool does not work", kind] = FAULTS.find(([codes]) => codes.test(code)) ?? [];
  return { message: `${words} (${code})`, ...(kind && { kind }) };
}

/** Drivers put what happened into each other's errors. */
const INNER = ["lastNodeError", "originalError", "cause"] as const;
/** Redis has no codes but the first word of its message, and that one is never a value. */
const REDIS_WORD = /^(WRONGPASS|NOAUTH|NOPERM|LOADING|MASTERDOWN|ERR)\b/;
/** `pg` says it in words alone. */
const CONNECT_TIMEOUT = /timeout expired|connection timeout|timeout exceeded/i;

function codeOf(error: unknown, depth = 0): string {
  if (!(error instanceof Error)) return errorName(error);
  const [word] = REDIS_WORD.exec(error.message) ?? [];
  if (word) return word;
  if (CONNECT_TIMEOUT.test(error.message)) return "ETIMEDOUT";
  const name = errorName(error);
  const inner = INNER.map((key) => (error as { [key in (typeof INNER)[number]]?: unknown })[key]).find(
    (it) => it instanceof Error,
  );
  const isTold = name !== error.name || FAULTS.some(([codes]) => codes.test(name));
  return isTold || !inner || depth > 3 ? name : codeOf(inner, depth + 1);
}
