/** A refresh changes everything or nothing, one at a time. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SallyportError } from "../entrypoint/errors.ts";
import { createRefresh, type Proved, type RefreshParts } from "../entrypoint/refresh.ts";
import { createStatus, enter } from "../entrypoint/status.ts";

const POOLS = [{ name: "pg", from: "a", to: "b" }];

/** A refresh whose parts note what they are asked to do; `more` replaces some of them. */
function open(more: Partial<RefreshParts> = {}) {
  const steps: string[] = [];
  const lines: string[] = [];
  const status = createStatus();
  enter(status, "ready");
  const stop = new AbortController();
  const proved: Proved = {
    pools: POOLS,
    swap: () => void steps.push("swap"),
    discard: async () => void steps.push("discard"),
  };
  const refresh = createRefresh({
    status,
    stop: stop.signal,
    timeoutMs: 1000,
    log: (_level, event, message) => void lines.push(`${event} ${message}`),
    load: async () => {
      steps.push("load");
      return { changed: ["A"], values: new Map() };
    },
    prove: async () => {
      steps.push("prove");
      return proved;
    },
    tell: async (changed) => {
      steps.push(`tell ${changed}`);
      return 0;
    },
    ...more,
  });
  return { refresh, steps, lines, status, stop };
}

const refuse = (code: "MANAGER_UNREACHABLE" | "CREDENTIALS_REFUSED") => async () => {
  throw new SallyportError(code, "it failed", { problems: [{ subject: "pg", message: "is refused" }] });
};

test("it loads, proves, swaps and tells, in that order, and the status remembers", async () => {
  const { refresh, steps, status, lines } = open();
  const { changed, pools, failedSubscribers } = await refresh.run("socket");
  assert.deepEqual(steps, ["load", "prove", "swap", "tell A"]);
  assert.deepEqual(
    { changed, pools, failedSubscribers },
    { changed: ["A"], pools: POOLS, failedSubscribers: 0 },
  );
  const { by, done, changed: names } = status.refresh ?? {};
  assert.deepEqual({ by, done, names }, { by: "socket", done: true, names: ["A"] });
  assert.match(lines.at(-1) ?? "", /^refresh\.completed refreshed in \d+ ms: A changed$/);
});

test("when nothing changed nobody is told", async () => {
  const { refresh, steps, lines } = open({ load: async () => ({ changed: [], values: new Map() }) });
  assert.deepEqual((await refresh.run("tcp")).changed, []);
  assert.deepEqual(steps, ["prove", "swap"]);
  assert.match(lines.at(-1) ?? "", /nothing changed/);
});

describe("a refusal touches nothing, and is remembered with its reason:", () => {
  for (const [what, parts, before] of [
    ["the manager", { load: refuse("MANAGER_UNREACHABLE") }, []],
    ["a credential", { prove: refuse("CREDENTIALS_REFUSED") }, ["load"]],
  ] as const) {
    test(what, async () => {
      const { refresh, steps, status, lines } = open(parts);
      await assert.rejects(refresh.run("SIGHUP"), SallyportError);
      assert.deepEqual(steps, before);
      assert.equal(status.refresh?.done, false);
      assert.deepEqual(lines.slice(-2), [
        "problem.found is refused",
        "refresh.refused it failed; nothing was changed",
      ]);
      assert.equal(refresh.isRunning(), false);
    });
  }
});

test("a fault of ours is told as one", async () => {
  const { refresh, lines } = open({
    load: async () => {
      throw new TypeError("oops");
    },
  });
  await assert.rejects(refresh.run("socket"), {
    code: "INTERNAL",
    message: "the refresh failed (TypeError)",
  });
  assert.ok(lines.includes("error.thrown TypeError: oops"));
});

test("a second one is refused while the first runs, and the first goes on", async () => {
  const { promise, resolve } = Promise.withResolvers<never[]>();
  const { refresh, status } = open({ load: async () => ({ changed: await promise, values: new Map() }) });
  const first = refresh.run("socket");
  await assert.rejects(refresh.run("tcp"), { code: "REFRESH_RUNNING" });
  assert.ok(refresh.isRunning());
  resolve([]);
  await first;
  assert.equal(status.refresh?.by, "socket");
  await refresh.run("tcp");
});

for (const phase of ["fetch", "app", "stopping"] as const) {
  test(`in phase ${phase} it is refused`, async () => {
    const { refresh, steps, status } = open();
    enter(status, phase);
    await assert.rejects(refresh.run("SIGHUP"), { code: "NOT_READY" });
    assert.deepEqual(steps, []);
  });
}

test("a stop while it proves discards what was opened", async () => {
  const { refresh, steps, stop, status } = open({
    prove: async () => {
      stop.abort({ kind: "signal" });
      return {
        pools: POOLS,
        swap: () => assert.fail("it was swapped"),
        discard: async () => void steps.push("discard"),
      };
    },
  });
  await assert.rejects(refresh.run("socket"), { code: "NOT_READY", message: /asked to stop/ });
  assert.deepEqual(steps, ["load", "discard"]);
  assert.equal(status.refresh?.code, "NOT_READY");
});

test("a stop while it loads is no failure of the manager", async () => {
  const { refresh, stop } = open({
    load: async () => {
      stop.abort({ kind: "signal" });
      throw stop.signal.reason;
    },
  });
  await assert.rejects(refresh.run("socket"), { code: "NOT_READY" });
  await refresh.settled();
});
