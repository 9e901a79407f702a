/** What every provider must do, whoever the vendor is. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { parseAddress, type SecretRef } from "../../entrypoint/config/address.ts";
import { SallyportError } from "../../entrypoint/errors.ts";
import type { RefProblem } from "../../entrypoint/provider/secret-provider.ts";
import { Secret } from "../../entrypoint/secret.ts";
import { type Stage, SUBJECTS } from "./subjects.ts";

type Answers = Record<string, Secret | RefProblem>;

/** Opens, identifies, fetches; everything that was printed or thrown on the way must be free of `values`. */
async function fetchAll(
  stage: Stage,
  addresses: readonly string[],
  signal = AbortSignal.timeout(20_000),
): Promise<Answers> {
  const refs = addresses.map(ref);
  const provider = await stage.open();
  try {
    await provider.identify(signal);
    const { answers } = await provider.fetch(refs, signal);
    return Object.fromEntries(refs.map((it) => [it.text, answers.get(it) as Secret | RefProblem]));
  } finally {
    provider.close();
  }
}

function ref(address: string): SecretRef {
  const located = parseAddress(address);
  assert.ok("ref" in located);
  return located.ref;
}

function revealed(answer: Secret | RefProblem | undefined): unknown {
  assert.ok(answer instanceof Secret, inspect(answer));
  return answer.reveal();
}

function problem(answer: Secret | RefProblem | undefined): RefProblem {
  assert.ok(answer && !(answer instanceof Secret), "a problem was expected");
  return answer;
}

/** Of the error, what a person or a log would get to see. */
function visible(error: unknown): string {
  assert.ok(error instanceof SallyportError, inspect(error));
  return `${error.message} ${error.hint} ${JSON.stringify(error.problems)} ${error.stack}`;
}

for (const subject of SUBJECTS) {
  describe(subject.name, () => {
    const canary = `canary-${randomUUID()}`;
    const assertQuiet = (stage: Stage, more = "") => {
      assert.ok(!JSON.stringify(stage.lines).includes(canary), "a value was logged");
      assert.ok(!more.includes(canary), "a value is in an error");
    };

    test("a value that is there is found, with its version", async () => {
      await using stage = await subject.fill({ "database/url": canary, "app/port": "8080" });
      const answers = await fetchAll(stage, ["database/url", "app/port"]);
      assert.equal(revealed(answers["database/url"]), canary);
      assert.equal(revealed(answers["app/port"]), "8080");
      assert.ok((answers["app/port"] as Secret).version);
      assertQuiet(stage, inspect(answers, { depth: 9, showHidden: true }) + JSON.stringify(answers));
    });

    test("a missing folder and a missing key are told by name, and don't hide what is there", async () => {
      await using stage = await subject.fill({ "database/url": canary, "database/user": "u" });
      const answers = await fetchAll(stage, ["database/url", "database/pasword", "mail/key"]);
      assert.equal(revealed(answers["database/url"]), canary);
      for (const [address, word] of [
        ["database/pasword", "pasword"],
        ["mail/key", "mail"],
      ] as const) {
        assert.equal(problem(answers[address]).kind, "missing");
        assert.match(problem(answers[address]).message, new RegExp(word));
      }
      assertQuiet(stage, JSON.stringify(answers));
    });

    test("a secret that may not be read is denied, not missing", async (t) => {
      await using stage = await subject.fill({ "database/url": canary, "stripe/key": canary }, [
        "stripe/key",
      ]);
      await asOrdinaryUser(t, async () => {
        const answers = await fetchAll(stage, ["database/url", "stripe/key"]);
        assert.equal(revealed(answers["database/url"]), canary);
        assert.equal(problem(answers["stripe/key"]).kind, "denied");
        assertQuiet(stage, JSON.stringify(answers));
      });
    });

    test("an empty value and one of 64 KiB arrive as they are", async () => {
      const large = "x".repeat(64 * 1024);
      await using stage = await subject.fill({ "a/empty": "", "b/large": large });
      const answers = await fetchAll(stage, ["a/empty", "b/large"]);
      assert.equal(revealed(answers["a/empty"]), "");
      assert.equal(revealed(answers["b/large"]), large);
    });

    test("200 secrets arrive, in the fewest requests", async () => {
      const secrets = Object.fromEntries(
        Array.from({ length: 200 }, (_, index) => [`folder${index}/key`, `value-${index}`]),
      );
      await using stage = await subject.fill(secrets);
      const answers = await fetchAll(stage, Object.keys(secrets));
      for (const [address, value] of Object.entries(secrets)) assert.equal(revealed(answers[address]), value);
      if (subject.remote) assert.equal(stage.reads(), subject.reads(200));
    });

    test("an abort is prompt, and its reason comes through", async () => {
      await using stage = await subject.fill({ "database/url": canary });
      stage.fail("hang", 1000);
      const stop = new AbortController();
      const reason = { kind: "signal", signal: "SIGTERM" };
      if (subject.remote) setTimeout(() => stop.abort(reason), 50);
      else stop.abort(reason);
      await assert.rejects(fetchAll(stage, ["database/url"], stop.signal), (error) => error === reason);
    });

    if (!subject.remote) return;

    test("several settings out of one folder cost one read", async () => {
      await using stage = await subject.fill({
        "database/url": "a",
        "database/user": "b",
        "database/password": canary,
      });
      await fetchAll(stage, ["database/url", "database/user", "database/password"]);
      assert.equal(stage.reads(), 1);
    });

    for (const fault of ["throttle", "error", "reset", "cut", "hang"] as const) {
      test(`after a passing fault (${fault}) the value is found`, async () => {
        await using stage = await subject.fill({ "database/url": canary, "app/port": "1" });
        stage.fail(fault, 1);
        const answers = await fetchAll(stage, ["database/url", "app/port"]);
        assert.equal(revealed(answers["database/url"]), canary);
        assert.ok(
          stage.lines.some(({ level }) => level === "warn"),
          "the fault was said",
        );
        assertQuiet(stage);
      });

      test(`a fault that stays (${fault}) ends at the deadline as MANAGER_UNREACHABLE`, async () => {
        await using stage = await subject.fill({ "database/url": canary });
        stage.fail(fault, 1000);
        await assert.rejects(fetchAll(stage, ["database/url"], AbortSignal.timeout(700)), (error) => {
          assertQuiet(stage, visible(error));
          return (error as SallyportError).code === "MANAGER_UNREACHABLE";
        });
      });
    }

    test("an answer that is not the API's is an error at once, without the answer in it", async () => {
      await using stage = await subject.fill({ "database/url": canary, "app/port": "1" });
      stage.fail("garbage", 1000);
      await assert.rejects(fetchAll(stage, ["database/url", "app/port"]), (error) => {
        assertQuiet(stage, visible(error));
        return (error as SallyportError).code === "MANAGER_ANSWER_INVALID";
      });
    });
  });
}

/** Root may read every file; for the length of `work` this process is somebody else. */
async function asOrdinaryUser(t: { skip(reason: string): void }, work: () => Promise<void>): Promise<void> {
  if (process.geteuid?.() !== 0) return work();
  if (!process.seteuid) return t.skip("this platform has no users");
  process.seteuid(65_534);
  try {
    await work();
  } finally {
    process.seteuid(0);
  }
}
