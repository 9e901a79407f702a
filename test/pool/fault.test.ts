/** Every driver says it in its own way; here it is said in one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { describeFault } from "../../entrypoint/pool/fault.ts";

const coded = (code: string, message = "canary") => Object.assign(new Error(message), { code });
const words = (error: unknown, signal = new AbortController().signal) => describeFault(error, signal).message;

const CASES: [error: unknown, expected: string][] = [
  [coded("28P01"), "the server refused the login (28P01)"],
  [coded("28000"), "the server refused the login (28000)"],
  [coded("ER_ACCESS_DENIED_ERROR"), "the server refused the login (ER_ACCESS_DENIED_ERROR)"],
  [
    coded("ER_ACCESS_DENIED_NO_PASSWORD_ERROR"),
    "the server refused the login (ER_ACCESS_DENIED_NO_PASSWORD_ERROR)",
  ],
  [new Error("WRONGPASS invalid username-password pair"), "the server refused the login (WRONGPASS)"],
  [new Error("NOAUTH Authentication required."), "the server refused the login (NOAUTH)"],
  [coded("42501"), "the login lacks a right (42501)"],
  [coded("ER_DBACCESS_DENIED_ERROR"), "the login lacks a right (ER_DBACCESS_DENIED_ERROR)"],
  [new Error("NOPERM this user has no permissions"), "the login lacks a right (NOPERM)"],
  [coded("3D000"), "there is no such database (3D000)"],
  [coded("53300"), "the server takes no more connections (53300)"],
  [coded("ER_CON_COUNT_ERROR"), "the server takes no more connections (ER_CON_COUNT_ERROR)"],
  [coded("57P03"), "the server is starting or stopping (57P03)"],
  [
    new Error("LOADING Redis is loading the dataset in memory"),
    "the server is starting or stopping (LOADING)",
  ],
  [coded("ECONNREFUSED"), "the server can't be reached (ECONNREFUSED)"],
  [coded("ENOTFOUND"), "the server can't be reached (ENOTFOUND)"],
  [coded("SELF_SIGNED_CERT_IN_CHAIN"), "TLS with the server failed (SELF_SIGNED_CERT_IN_CHAIN)"],
  [coded("ETIMEDOUT"), "the server did not answer in time (ETIMEDOUT)"],
  [new Error("timeout exceeded when trying to connect"), "the server did not answer in time (ETIMEDOUT)"],
  [
    Object.assign(new Error("Failed to refresh slots cache."), { lastNodeError: coded("ECONNREFUSED") }),
    "the server can't be reached (ECONNREFUSED)",
  ],
  [new Error("canary", { cause: coded("28P01") }), "the server refused the login (28P01)"],
  [new TypeError("canary"), "the pool does not work (TypeError)"],
  ["canary", "the pool does not work (string)"],
];

for (const [error, expected] of CASES) {
  test(expected, () => assert.equal(words(error), expected));
}

test("a login that is refused is told as denied, a server that is away is not", () => {
  const { signal } = new AbortController();
  assert.equal(describeFault(coded("28P01"), signal).kind, "denied");
  assert.equal(describeFault(coded("ECONNREFUSED"), signal).kind, undefined);
});

test("whatever a driver says after the deadline, it was the deadline", async () => {
  const signal = AbortSignal.timeout(0);
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
  assert.equal(words(coded("ECONNRESET"), signal), "the server did not answer in time");
});
