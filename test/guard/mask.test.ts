import assert from "node:assert/strict";
import { test } from "node:test";
import { createMask } from "../../entrypoint/guard/mask.ts";

const VALUE = 'p"a/ss+w\\ord é';

const forms = {
  "as it is": VALUE,
  "in JSON": JSON.stringify({ password: VALUE }),
  "in a URL": `postgres://u:${encodeURIComponent(VALUE)}@h/d`,
  "in base64": Buffer.from(VALUE).toString("base64"),
  "in base64url": Buffer.from(VALUE).toString("base64url"),
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

test("circles, lone surrogates, bytes and numbers in a value are taken as they come", () => {
  const mask = createMask();
  const circle: Record<string, unknown> = { text: "in-a-circle", pin: 12_345_678 };
  circle.self = circle;
  mask.add("C", circle);
  mask.add("S", "lone-\ud800-surrogate");
  mask.add("B", Buffer.from("bytes-with-é-in-them"));
  assert.equal(mask.apply("in-a-circle 12345678 bytes-with-é-in-them"), "[C] [C] [B]");
});
