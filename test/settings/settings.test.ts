import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import * as z from "zod";
import type { SecretRef } from "../../entrypoint/config/address.ts";
import { parseSettings } from "../../entrypoint/config/settings.ts";
import type { SettingDeclaration } from "../../entrypoint/config/types.ts";
import { SallyportError } from "../../entrypoint/errors.ts";
import type { RefProblem } from "../../entrypoint/provider/secret-provider.ts";
import { Secret, type SecretValue } from "../../entrypoint/secret.ts";
import { createSettings, validateSettings } from "../../entrypoint/settings/settings.ts";

type Given = SecretValue | undefined | "(denied)";

/** Each setting with what the manager answers for it, one after another for the stages of a ring. */
async function validate(table: Record<string, [Omit<SettingDeclaration, "from">, ...Given[]]>) {
  const declared = Object.fromEntries(
    Object.entries(table).map(([name, [rest]]) => [name, { from: `app/${name}`, ...rest }]),
  );
  const specs = parseSettings(declared, []);
  const answers = new Map<SecretRef, Secret | RefProblem>();
  for (const { name, refs } of specs) {
    for (const [index, ref] of refs.entries()) {
      const given = table[name]?.[index + 1] as Given;
      const message = "no such secret";
      if (given === undefined) answers.set(ref, { kind: "missing", message });
      else if (given === "(denied)") answers.set(ref, { kind: "denied", message });
      else answers.set(ref, new Secret(given, `shop/app#${name}`));
    }
  }
  const values = await validateSettings(specs, answers);
  return { specs, values, get: (name: string) => values.get(name)?.value };
}

async function refused(table: Parameters<typeof validate>[0]): Promise<SallyportError> {
  return validate(table).then(
    () => assert.fail("nothing was refused"),
    (error) => {
      assert.ok(error instanceof SallyportError, inspect(error));
      return error;
    },
  );
}

describe("types", () => {
  const good: [SettingDeclaration["type"], SecretValue, unknown][] = [
    ["string", " as it is ", " as it is "],
    ["string", 5432, "5432"],
    ["url", "postgres://u:p@h/d", "postgres://u:p@h/d"],
    ["integer", "-42", -42],
    ["integer", 42, 42],
    ["number", "1.5e3", 1500],
    ["number", 0.25, 0.25],
    ["boolean", "true", true],
    ["boolean", "0", false],
    ["boolean", true, true],
    ["port", "65535", 65_535],
    ["duration", "1.5s", 1500],
    ["duration", "7d", 604_800_000],
    ["json", '{"a":[1]}', { a: [1] }],
    ["json", { a: [1] } as object, { a: [1] }],
    [["debug", "info"], "info", "info"],
    [z.string().transform((text) => text.length), "four", 4],
    [z.object({ a: z.number() }), { a: 1 } as object, { a: 1 }],
  ];
  for (const [type, given, expected] of good) {
    test(`${label(type)} takes ${inspect(given)}`, async () => {
      assert.deepEqual((await validate({ X: [{ type: type as never }, given] })).get("X"), expected);
    });
  }

  const bad: [SettingDeclaration["type"], SecretValue][] = [
    ["url", "canary"],
    ["integer", "canary"],
    ["integer", "1.5"],
    ["integer", "9007199254740993"],
    ["number", "0x10"],
    ["number", ""],
    ["boolean", "canary"],
    ["boolean", "TRUE"],
    ["port", "0"],
    ["port", "65536"],
    ["duration", "30"],
    ["json", "{canary}"],
    ["string", 2 ** 60],
    ["string", { canary: 1 } as object],
    ["string", Uint8Array.from([255, 254])],
    ["bytes", { canary: 1 } as object],
    [["debug", "info"], "canary"],
    [z.string().max(2), "canary"],
    [
      z.string().refine(() => {
        throw new Error("canary");
      }),
      "canary",
    ],
  ];
  for (const [type, given] of bad) {
    test(`${label(type)} refuses ${inspect(given)} without repeating it`, async () => {
      const error = await refused({ X: [{ type: type as never }, given] });
      assert.equal(error.code, "SETTINGS_INVALID");
      assert.ok(
        !`${inspect(error.problems)}${error.message}${error.hint}`.includes("canary"),
        inspect(error.problems),
      );
    });
  }

  test("a validator may be a function, as ArkType's are", async () => {
    const type = Object.assign(() => {}, {
      "~standard": { version: 1, vendor: "test", validate: (value: unknown) => ({ value: `${value}!` }) },
    });
    assert.equal((await validate({ X: [{ type: type as never }, "hi"] })).get("X"), "hi!");
  });

  test("bytes arrive as they were stored, and text as its UTF-8", async () => {
    const stored = Uint8Array.from([0, 255]);
    assert.deepEqual((await validate({ X: [{ type: "bytes" }, stored] })).get("X"), stored);
    assert.deepEqual(
      Buffer.from((await validate({ X: [{ type: "bytes" }, "é"] })).get("X") as Uint8Array),
      Buffer.from("é"),
    );
  });

  test("json is frozen to the bottom", async () => {
    const { get } = await validate({ X: [{ type: "json" }, '{"a":{"b":1}}'] });
    assert.throws(() => Object.assign((get("X") as { a: object }).a, { b: 2 }), TypeError);
  });

  test("a validator's own words are shown only for a setting that is not secret", async () => {
    const type = z.string().max(2, "at most two letters");
    const hidden = await refused({ X: [{ type }, "canary"] });
    assert.ok(!inspect(hidden.problems).includes("at most two"));
    const shown = await refused({ X: [{ type, secret: false }, "canary"] });
    assert.match(inspect(shown.problems), /at most two letters/);
  });
});

describe("presence", () => {
  test("all problems are reported at once, in the order of the config", async () => {
    const error = await refused({
      A: [{}],
      B: [{ type: "port" }, "x"],
      C: [{}, ""],
      D: [{}, "(denied)"],
      E: [{}, "fine"],
    });
    assert.deepEqual(
      error.problems.map(({ subject, kind }) => `${subject} ${kind}`),
      ["A missing", "B invalid", "C missing", "D denied"],
    );
    assert.equal(error.message, "4 settings are missing or wrong");
  });

  test("when only permissions are wrong, that is the error", async () => {
    const error = await refused({ A: [{}, "(denied)"], B: [{}, "fine"] });
    assert.equal(error.code, "SECRET_DENIED");
    assert.equal(error.exitCode, 77);
  });

  test("an empty string counts as missing unless it is allowed", async () => {
    assert.equal((await validate({ A: [{ empty: true }, ""] })).get("A"), "");
    assert.equal((await validate({ A: [{ optional: true }, ""] })).get("A"), undefined);
    assert.equal((await refused({ A: [{}, ""] })).problems[0]?.kind, "missing");
  });

  test("an optional setting may be missing, but not wrong and not denied", async () => {
    assert.equal((await validate({ A: [{ optional: true }] })).get("A"), undefined);
    assert.equal((await refused({ A: [{ optional: true, type: "port" }, "x"] })).problems.length, 1);
    assert.equal((await refused({ A: [{ optional: true }, "(denied)"] })).problems.length, 1);
  });
});

describe("gates", () => {
  test("a setting that is off is neither required nor given, whatever is there", async () => {
    const { get } = await validate({
      KEY: [{ when: "ON" }],
      SET: [{ when: "ON", type: "port" }, "not a port"],
      ON: [{ type: "boolean" }, "false"],
    });
    assert.equal(get("KEY"), undefined);
    assert.equal(get("SET"), undefined);
  });

  test("a setting that is on is required", async () => {
    const error = await refused({ KEY: [{ when: "ON" }], ON: [{ type: "boolean" }, "true"] });
    assert.deepEqual(
      error.problems.map(({ subject }) => subject),
      ["KEY"],
    );
  });

  test("a gate may ask for values, all of them", async () => {
    const table = (mode: string) => ({
      MODE: [{ type: ["a", "b"] as const }, mode] as [object, string],
      ON: [{ type: "boolean" as const }, "true"] as [object, string],
      KEY: [{ when: { MODE: "a", ON: "true" } }, "v"] as [object, string],
    });
    assert.equal((await validate(table("a"))).get("KEY"), "v");
    assert.equal((await validate(table("b"))).get("KEY"), undefined);
  });

  test("a gate compares what is written, and a boolean however it is written", async () => {
    const { get } = await validate({
      ON: [{ type: "boolean" }, "1"],
      TTL: [{ type: "duration" }, "30s"],
      A: [{ when: { ON: "true" } }, "a"],
      B: [{ when: { TTL: "30s" } }, "b"],
      C: [{ when: { TTL: "31s" } }, "c"],
    });
    assert.deepEqual([get("A"), get("B"), get("C")], ["a", "b", undefined]);
  });

  test("what hangs on a broken gate is not guessed at", async () => {
    const error = await refused({ KEY: [{ when: "ON" }], ON: [{ type: "boolean" }, "perhaps"] });
    assert.deepEqual(
      error.problems.map(({ subject }) => subject),
      ["ON"],
    );
  });
});

describe("rings", () => {
  const stages = ["current", "previous"];

  test("a ring has its values newest first, and the older ones may be missing", async () => {
    assert.deepEqual((await validate({ K: [{ stages }, "new", "old"] })).get("K"), ["new", "old"]);
    assert.deepEqual((await validate({ K: [{ stages }, "new"] })).get("K"), ["new"]);
  });

  test("the first value of a ring is required, and all must be right", async () => {
    assert.equal((await refused({ K: [{ stages }, undefined, "old"] })).problems[0]?.kind, "missing");
    assert.equal((await refused({ K: [{ stages, type: "port" }, "1", "x"] })).problems[0]?.kind, "invalid");
  });
});

describe("the object", () => {
  async function make() {
    const { specs, values } = await validate({
      DATABASE_URL: [{}, "canary-secret"],
      PORT: [{ type: "port", secret: false }, "8080"],
      SENTRY: [{ optional: true }],
    });
    return createSettings(specs, values);
  }

  test("gives values by name, and by destructuring", async () => {
    const { settings } = await make();
    const { DATABASE_URL, PORT, SENTRY } = settings;
    assert.deepEqual([DATABASE_URL, PORT, SENTRY], ["canary-secret", 8080, undefined]);
    assert.ok("DATABASE_URL" in settings);
  });

  test("prints names, and only the values that are not secret", async () => {
    const { settings } = await make();
    const outputs = [
      inspect(settings, { showHidden: true, depth: 9 }),
      JSON.stringify({ settings }),
      JSON.stringify({ ...settings }),
      inspect({ ...settings }),
      JSON.stringify(Object.entries(settings)),
      inspect(structuredClone({ ...settings })),
    ];
    for (const output of outputs) {
      assert.ok(!output.includes("canary"), output);
      assert.match(output, /8080/);
    }
    assert.match(outputs[0] ?? "", /DATABASE_URL: '\[secret\]'/);
  });

  test("can't be written to", async () => {
    const { settings } = await make();
    for (const name of ["PORT", "DATABASE_URL", "OTHER"]) {
      assert.throws(() => Object.assign(settings, { [name]: "x" }), TypeError);
      assert.throws(() => Object.defineProperty(settings, name, { value: "x" }), TypeError);
    }
  });

  test("shows a swapped set at the next read", async () => {
    const { settings, swap, readText } = await make();
    const { values } = await validate({ PORT: [{ type: "port", secret: false }, "9090"] });
    swap(values);
    assert.deepEqual([settings.PORT, settings.DATABASE_URL, readText("PORT")], [9090, undefined, "9090"]);
  });

  test("gives snapshots that stay as they are, and print as it does", async () => {
    const { settings, swap, snapshot } = await make();
    const before = snapshot();
    assert.equal(snapshot(), before);
    swap(new Map());
    assert.deepEqual([before.PORT, settings.PORT, snapshot().PORT], [8080, undefined, undefined]);
    assert.equal(JSON.stringify(before), '{"DATABASE_URL":"[secret]","PORT":8080}');
  });

  test("has nothing of what other objects inherit", async () => {
    const { settings } = await make();
    assert.deepEqual(
      [settings.constructor, settings.toString, "hasOwnProperty" in settings],
      [undefined, undefined, false],
    );
  });
});

function label(type: SettingDeclaration["type"]): string {
  return typeof type === "string" ? type : Array.isArray(type) ? "a list of words" : "a validator";
}
