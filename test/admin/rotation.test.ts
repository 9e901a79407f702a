/** What status and refresh answer, and how a person reads it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { describeAnswer } from "../../entrypoint/admin/report.ts";
import { createRotation, type RotationSources } from "../../entrypoint/admin/rotation.ts";
import { type ErrorCode, SallyportError } from "../../entrypoint/errors.ts";
import { createStatus, enter } from "../../entrypoint/status.ts";

const HOUR_AND_MORE_MS = 3_725_000;

function open(more: Partial<RotationSources> = {}) {
  const status = createStatus();
  enter(status, "ready");
  const refreshed = {
    ms: 84,
    changed: ["A"],
    pools: [{ name: "pg", from: "a", to: "b" }],
    failedSubscribers: 1,
  };
  const rotation = createRotation({
    status,
    refresh: { run: async () => refreshed, isRunning: () => false, settled: async () => {} },
    settings: () => [
      {
        name: "A",
        secret: true,
        set: true,
        since: new Date(Date.now() - HOUR_AND_MORE_MS).toISOString(),
        origins: [{ source: "shop/a#k", version: "7", expiresAt: "2027-01-01T00:00:00Z" }],
      },
      { name: "OFF", secret: true, set: false, since: new Date().toISOString(), origins: [] },
    ],
    probe: async () => [{ name: "pg", user: "a", ok: true, ms: 3 }],
    draining: () => [],
    mask: () => ({ hits: { A: 2 }, unmasked: ["OFF"] }),
    runChecks: async () => ({ queue: { ok: true, ms: 1 } }),
    ...more,
  });
  return { rotation, status };
}

const refusing = (code: ErrorCode) => {
  const run = async () => {
    throw new SallyportError(code, "it failed", {
      hint: "Do this.",
      problems: [{ subject: "pg", message: "is refused" }],
    });
  };
  return open({ refresh: { run, isRunning: () => false, settled: async () => {} } }).rotation;
};

describe("a refused refresh has the status of its reason:", () => {
  const statuses: [ErrorCode, number][] = [
    ["NOT_READY", 409],
    ["REFRESH_RUNNING", 409],
    ["SETTINGS_INVALID", 422],
    ["CREDENTIALS_REFUSED", 424],
    ["MANAGER_UNREACHABLE", 502],
    ["MANAGER_ANSWER_INVALID", 502],
    ["IDENTITY_REFUSED", 502],
    ["SECRET_DENIED", 502],
    ["BOOTSTRAP_INVALID", 502],
    ["INTERNAL", 500],
  ];
  for (const [code, expected] of statuses) {
    test(`${code} is ${expected}`, async () => {
      const { status, body } = await refusing(code).refresh("tcp");
      const problems = [{ subject: "pg", message: "is refused" }];
      assert.deepEqual(
        [status, body],
        [expected, { error: { code, message: "it failed. Do this.", problems } }],
      );
    });
  }

  test("a person reads each problem, then what failed", async () => {
    const { body } = await refusing("CREDENTIALS_REFUSED").refresh("socket");
    assert.equal(
      describeAnswer("refresh", JSON.stringify(body)),
      "✖ pg is refused\nit failed. Do this. (CREDENTIALS_REFUSED)",
    );
  });
});

test("a refresh that is done says what changed, who logs in now, and whom it could not tell", async () => {
  const { status, body } = await open().rotation.refresh("socket");
  assert.equal(status, 200);
  assert.deepEqual(describeAnswer("refresh", JSON.stringify(body)).split("\n"), [
    "✔ refreshed in 84 ms",
    "  changed A",
    "  pool pg: a → b",
    "! 1 of the app's onRefresh functions failed; its log says how",
  ]);
});

describe("status", () => {
  test("is 200 when every login and check is well, and tells sources, versions and ages", async () => {
    const { rotation } = open();
    const { status, body } = await rotation.secretsStatus();
    assert.equal(status, 200);
    const lines = describeAnswer("status", JSON.stringify(body)).split("\n");
    assert.match(lines.shift() ?? "", /^✔ in order: ready since /);
    assert.deepEqual(lines, [
      "✔ login pg as a: works (3 ms)",
      "✔ check queue: passes (1 ms)",
      "! A was kept out of the output 2 times",
      "  too short or too common to be kept out of the output: OFF",
      "  A: shop/a#k, version 7, until 2027-01-01T00:00:00Z, held for 1 h 2 min",
      "  OFF: not set",
    ]);
  });

  const unwell: [string, Partial<RotationSources>, RegExp][] = [
    [
      "a login fails",
      {
        probe: async () => [
          { name: "pg", user: undefined, ok: false, ms: 9, problem: "was refused (28P01)" },
        ],
      },
      /✖ login pg as \?: was refused \(28P01\) \(9 ms\)/,
    ],
    ["a check fails", { runChecks: async () => ({ queue: { ok: false, ms: 2 } }) }, /✖ check queue: fails/],
  ];
  for (const [what, sources, line] of unwell) {
    test(`is 503 when ${what}`, async () => {
      const { status, body } = await open(sources).rotation.secretsStatus();
      assert.equal(status, 503);
      assert.match(describeAnswer("status", JSON.stringify(body)), line);
    });
  }

  test("before the app is ready nobody logs in anywhere, and it is 503", async () => {
    const { rotation, status } = open({ probe: () => assert.fail("it logged in") });
    enter(status, "migrate");
    const answer = await rotation.secretsStatus();
    assert.equal(answer.status, 503);
    assert.match(describeAnswer("status", JSON.stringify(answer.body)), /^✖ not in order: migrate since/);
  });

  test("shows the last refresh and what still drains", async () => {
    const since = "2026-01-01T00:00:00Z";
    const { rotation, status } = open({ draining: () => [{ name: "pg", since }] });
    status.refresh = {
      at: since,
      by: "tcp",
      ms: 5,
      done: false,
      code: "SETTINGS_INVALID",
      message: "A is wrong",
    };
    const text = describeAnswer("status", JSON.stringify((await rotation.secretsStatus()).body));
    assert.match(text, /pool pg: an old one drains since 2026/);
    assert.match(text, /last refresh: 2026\S+, asked by tcp: refused, A is wrong \(SETTINGS_INVALID\)/);
  });

  test("logs in once for all who ask at the same time", async () => {
    let logins = 0;
    const probe = async () => {
      logins++;
      return [];
    };
    const { rotation } = open({ probe });
    await Promise.all([rotation.secretsStatus(), rotation.secretsStatus()]);
    await rotation.secretsStatus();
    assert.equal(logins, 2);
  });

  test("logs in anew for whoever asks after a refresh, though somebody is still being answered", async () => {
    const probes = [Promise.withResolvers<[]>(), Promise.withResolvers<[]>()];
    let asked = 0;
    const { rotation, status } = open({ probe: () => (probes[asked++] ?? assert.fail()).promise });
    const early = rotation.secretsStatus();
    status.refresh = { at: "2026-01-01T00:00:00Z", by: "tcp", ms: 5, done: true, changed: [] };
    const late = rotation.secretsStatus();
    const alsoLate = rotation.secretsStatus();
    probes[0]?.resolve([]);
    assert.match(describeAnswer("status", JSON.stringify((await early).body)), /last refresh: 2026/);
    probes[1]?.resolve([]);
    assert.equal(await late, await alsoLate);
    assert.equal(asked, 2);
  });
});
