import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { runInNewContext } from "node:vm";
import { errorName } from "../entrypoint/errors.ts";
import { strippedError, tellError } from "../entrypoint/told-error.ts";

const CANARY = "canary-6f1c9a";

/** Everything that could come out of it. */
function allOf(error: unknown): string {
  const told = tellError(error);
  return JSON.stringify(told) + inspect(strippedError(error), { depth: 9, showHidden: true });
}

test("what drivers hang on their errors is gone, and what tells the fault stays", () => {
  const errors = [
    Object.assign(new Error("WRONGPASS invalid username-password pair"), {
      command: { name: "hello", args: ["3", "AUTH", "app", CANARY] },
    }),
    Object.assign(new TypeError("Invalid URL"), { code: "ERR_INVALID_URL", input: `redis://:${CANARY}@` }),
    Object.assign(new Error("duplicate key"), {
      code: "23505",
      table: "orders",
      constraint: "orders_pkey",
      detail: `Key (email)=(${CANARY}) already exists.`,
      parameters: [CANARY],
      query: `insert into t values ('${CANARY}')`,
      where: CANARY,
    }),
    Object.assign(new Error("Failed query: select $1\nparams: a,canary-6f1c9a"), { params: [CANARY] }),
  ];
  for (const error of errors) assert.ok(!allOf(error).includes(CANARY), allOf(error));
  assert.deepEqual(tellError(errors[2]).details, {
    code: "23505",
    table: "orders",
    constraint: "orders_pkey",
  });
  assert.equal(tellError(errors[1]).words, "TypeError: Invalid URL (ERR_INVALID_URL)");
});

test("causes are followed to a depth, round in no circle", () => {
  const deep = Array.from({ length: 20 }, (_, index) => index).reduce<Error | undefined>(
    (cause, index) => new Error(`number ${index}`, { cause }),
    undefined,
  );
  assert.deepEqual(tellError(deep).because.at(-1), "Error: number 14");
  const circle = new Error("round");
  circle.cause = circle;
  assert.equal(tellError(circle).because.length, 5);
});

test("of several errors that come together, the first ones are told", () => {
  const errors = ["a", "b", "c", "d"].map((word) => new Error(word));
  const { words, because } = tellError(new AggregateError(errors, "all failed"));
  assert.equal(words, "AggregateError: all failed");
  assert.deepEqual(because, ["Error: a", "Error: b", "Error: c"]);
});

test("anything may be thrown, and a getter may throw, too", () => {
  const hostile = new Error("hostile");
  Object.defineProperty(hostile, "code", {
    get() {
      throw new Error("never asked");
    },
  });
  assert.equal(tellError(hostile).words, "Error: hostile");
  assert.equal(tellError("only text").words, "only text");
  assert.equal(tellError({ password: CANARY }).words, "something other than an Error (object)");
  assert.equal(tellError(undefined).words, "something other than an Error (undefined)");
  assert.equal(tellError(runInNewContext("new Error('elsewhere')")).words, "Error: elsewhere");
});

test("an error that resists is told as far as it lets itself be", () => {
  const raise = () => {
    throw new Error(CANARY);
  };
  const proxy = new Proxy(new Error(CANARY), { getPrototypeOf: raise, get: raise });
  assert.equal(tellError(proxy).words, "something other than an Error (object)");
  assert.equal(errorName(proxy), "object");
  const odd = Object.assign(new Error("found"), { name: Symbol("odd") });
  assert.equal(tellError(odd).words, "Symbol(odd): found");
  assert.equal(errorName(odd), "Symbol(odd)");
  const mute = Object.assign(new Error(), { message: { toString: raise } });
  assert.equal(tellError(mute).words, "Error: (object)");
});
