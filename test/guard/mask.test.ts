import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { createMask } from "../../entrypoint/guard/mask.ts";
import { isCommon } from "../../entrypoint/guard/too-common.ts";

const VALUE = "p\"a/ss+w\\o'rd é";

const forms = {
  "as it is": VALUE,
  "in JSON": JSON.stringify({ password: VALUE }),
  "in a URL": `postgres://u:${encodeURIComponent(VALUE)}@h/d`,
  "in base64": Buffer.from(VALUE).toString("base64"),
  "in base64url": Buffer.from(VALUE).toString("base64url"),
  "in JSON on a console": inspect({ body: JSON.stringify({ password: VALUE }) }),
  "beside all quotes on a console": inspect({ text: `"\`' ${VALUE}` }),
  "inspected, in JSON": JSON.stringify({ message: inspect({ VALUE }) }),
  "in JSON in JSON in JSON": JSON.stringify({ a: JSON.stringify({ b: JSON.stringify({ VALUE }) }) }),
  "in JSON in a URL": `https://h/?q=${encodeURIComponent(JSON.stringify({ VALUE }))}`,
  "in JSON in base64": Buffer.from(JSON.stringify({ user: "app", VALUE })).toString("base64"),
  "as a Buffer in JSON": JSON.stringify({ body: Buffer.from(`password=${VALUE}`) }),
};

for (const [name, text] of Object.entries(forms)) {
  test(`a value ${name} is shown by its name`, () => {
    const mask = createMask();
    mask.add("PASSWORD", VALUE);
    const masked = mask.apply(`before ${text} after`);
    assert.match(masked, /\[PASSWORD\]/);
    assert.match(masked, /^before .* after$/);
    assert.ok(!masked.includes(text) || text !== VALUE);
  });
}

test("each line of a longer value is masked by itself", () => {
  const mask = createMask();
  mask.add("KEY", "-----BEGIN-----\r\nabcdefgh\nijklmnop\n");
  assert.equal(mask.apply("x ijklmnop y"), "x [KEY] y");
});

test("of a value that holds another, the longer one is named", () => {
  const mask = createMask();
  mask.add("PASSWORD", "hunter22");
  mask.add("URL", "postgres://u:hunter22@h");
  assert.equal(mask.apply("postgres://u:hunter22@h hunter22"), "[URL] [PASSWORD]");
});

test("short values are left alone, and every text in an object is not", () => {
  const mask = createMask();
  mask.add("PORT", "5432");
  mask.add("DB", { user: "app", password: "longenough", list: ["another-one"] });
  assert.equal(mask.apply("5432 app longenough another-one"), "5432 app [DB] [DB]");
});

test("characters that mean something to a pattern are only characters", () => {
  const mask = createMask();
  mask.add("P", "a.c*(d)[e]$^|?+{1}\\");
  assert.equal(mask.apply("aXc*(d) a.c*(d)[e]$^|?+{1}\\"), "aXc*(d) [P]");
});

test("a value of any length is masked, and many of them", () => {
  const mask = createMask();
  const values = Array.from({ length: 200 }, (_, index) => `${index}`.padStart(4, "0").repeat(16_000));
  for (const [index, value] of values.entries()) mask.add(`LARGE_${index}`, value);
  assert.equal(mask.apply(`x ${values[150]} y`), "x [LARGE_150] y");
});

test("what a console shows of a value that is too long for it is masked", () => {
  for (const end of ["", "'\"\\+"]) {
    const value = "0123456789abcdef".repeat(2_000) + end;
    const mask = createMask();
    mask.add("LONG", end + value);
    assert.match(
      mask.apply(inspect({ text: end + value })),
      /^{\s+text: .\[LONG\].\.\.\. \d+ more characters\s}$/,
    );
  }
});

test("circles, lone surrogates, bytes and numbers in a value are taken as they come", () => {
  const mask = createMask();
  const circle: Record<string, unknown> = { text: "in-a-circle", pin: 12_345_678 };
  circle.self = circle;
  mask.add("C", circle);
  mask.add("S", "lone-\ud800-surrogate");
  mask.add("B", Buffer.from("bytes-with-é-in-them"));
  assert.equal(mask.apply("in-a-circle 12345678 bytes-with-é-in-them"), "[C] [C] [B]");
});

test("the login in a URL is blanked out whether it is known or not", () => {
  const mask = createMask();
  const shown = {
    "connect to postgres://app:pass@db:5432/shop failed":
      "connect to postgres://[hidden]@db:5432/shop failed",
    "clone https://token@git.example/repo": "clone https://[hidden]@git.example/repo",
    "amqp://app:with/slash@mq": "amqp://[hidden]@mq",
    "see https://example.com/@scope/name and mailto:a@b.c":
      "see https://example.com/@scope/name and mailto:a@b.c",
  };
  for (const [text, expected] of Object.entries(shown)) assert.equal(mask.apply(text), expected);
});

test("the parts of a URL are masked by themselves, decoded too", () => {
  const mask = createMask();
  mask.add("URL", "redis://default:p%40ss%2Fword-1@cache:6379/0?api_key=abcdef123&db=shopshop");
  mask.add("REPO", "https://ghp_0123456789abcdef@git.example/repo");
  const text = "p@ss/word-1 p%40ss%2Fword-1 abcdef123 shopshop ghp_0123456789abcdef";
  assert.equal(mask.apply(text), "[URL] [URL] [URL] shopshop [REPO]");
});

test("a value in the middle of base64, in hex, in a printed Buffer and in a form is masked", () => {
  const mask = createMask();
  mask.add("TOKEN", VALUE);
  const around = ["", "u:", "us:", "usr:"].map((user) => Buffer.from(`${user}${VALUE}!`).toString("base64"));
  for (const text of [
    ...around,
    Buffer.from(VALUE).toString("hex"),
    inspect(Buffer.from(VALUE)),
    inspect({ VALUE }),
    new URLSearchParams({ VALUE }).toString(),
  ]) {
    assert.match(mask.apply(text), /\[TOKEN\]/, text);
  }
});

test("what was blanked out is counted by name, and what can't be is told by name", () => {
  const mask = createMask();
  mask.add("A", "value-of-a");
  mask.add("B", "value-of-b");
  mask.add("DB", { user: "app", password: "longenough", port: 5432, engine: "postgres" });
  mask.add("LEVEL", "debug");
  mask.exempt("PORT");
  mask.apply("value-of-a value-of-a");
  mask.apply("longenough");
  assert.deepEqual(mask.hits(), { A: 2, DB: 1 });
  assert.deepEqual(mask.find("value-of-b"), ["B"]);
  assert.deepEqual(mask.hits(), { A: 2, DB: 1 }, "looking is not counted");
  assert.deepEqual(mask.unmasked(), ["PORT", "DB.user", "DB.port", "DB.engine", "LEVEL"]);
});

test("after a refresh the old value is masked as the new one, and the oldest are given up", () => {
  const mask = createMask();
  for (let version = 0; version < 20; version++) mask.add("KEY", `version-${version}-of-it`);
  assert.equal(mask.apply("version-19-of-it version-18-of-it"), "[KEY] [KEY]");
  assert.equal(mask.apply("version-0-of-it"), "version-0-of-it");
  mask.add("KEY", "version-19-of-it");
  assert.equal(mask.apply("version-12-of-it"), "[KEY]", "what is known already pushes nothing out");
});

test("a value that is named again and again stays, whatever comes in between", () => {
  const mask = createMask();
  for (let version = 0; version < 20; version++) {
    mask.add("KEY", `version-${version}-of-it`);
    mask.add("KEY", "in-use-all-the-time");
  }
  assert.equal(mask.apply("in-use-all-the-time"), "[KEY]");
});

test("the frame of a key is public, its lines are not", () => {
  const mask = createMask();
  mask.add("KEY", "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqG\nSM49AgEGCCqG\n-----END PRIVATE KEY-----\n");
  assert.equal(mask.apply("-----BEGIN PRIVATE KEY-----"), "-----BEGIN PRIVATE KEY-----");
  assert.equal(mask.apply("SM49AgEGCCqG"), "[KEY]");
});

test("what is found for certain is the whole text, long, or in a URL", () => {
  const mask = createMask();
  mask.add("TOPIC", "orders-1");
  mask.add("KEY", "correct-horse-battery");
  assert.deepEqual(mask.find("orders-1"), ["TOPIC"]);
  assert.deepEqual(mask.find("the-orders-1-service"), []);
  assert.deepEqual(mask.find("amqp://app:orders-1@mq"), ["TOPIC"]);
  assert.deepEqual(mask.find("Bearer correct-horse-battery"), ["KEY"]);
});

test("words, short numbers, places and what repeats itself are too common to be blanked out", () => {
  for (const common of [
    "orders",
    "5432000",
    "Production",
    "eu-west-1",
    "http://localhost:3000",
    "aaaaaaaa",
    "1.2.3",
  ])
    assert.ok(isCommon(common), common);
  for (const distinct of ["hunter2", "ordersapi", "12345678", "s3cr3t", "https://example.com"])
    assert.ok(!isCommon(distinct), distinct);
});

test("of a login in one document the password is blanked out, and not where it leads", () => {
  const mask = createMask();
  const login = {
    username: "orders_app",
    password: VALUE,
    host: "orders-production.internal",
    dbname: "orders-production",
  };
  for (const value of [login, JSON.stringify(login), { nested: login }]) {
    mask.add("DB", value);
    assert.equal(
      mask.apply("GET /orders-production/1 for orders_app"),
      "GET /orders-production/1 for orders_app",
    );
    assert.match(mask.apply(`it is ${VALUE}`), /^it is \[DB\]$/);
    assert.deepEqual(mask.find("orders-production.internal"), []);
  }
  assert.ok(mask.unmasked().includes("DB.dbname"));
});

test("a document without a password keeps no place for harmless", () => {
  const mask = createMask();
  mask.add("PLACES", { host: "secret-host.internal" });
  assert.equal(mask.apply("at secret-host.internal"), "at [PLACES]");
});
