/** Against moto, an AWS that nobody here wrote, through the SDK's own endpoint variable. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import { type FakeAws, startFakeAws } from "../fakes/aws.ts";
import { makeFolder } from "../folder.ts";
import { runBundle, startBundle } from "../process/bundle.ts";
import { type Asked, ask } from "../provider/ask.ts";

const { MOTO_URL, REQUIRE_SERVERS } = process.env;
const skip = MOTO_URL || REQUIRE_SERVERS ? false : "no MOTO_URL; .ci/run starts moto and sets it";
const REGION = "eu-west-1";
const CANARY = "canary-of-moto-77aa";

describe("Secrets Manager by moto", { skip }, () => {
  const prefix = `shop-${process.pid}`;
  const client = new SecretsManagerClient({
    region: REGION,
    endpoint: String(MOTO_URL),
    credentials: { accessKeyId: "testing", secretAccessKey: "testing" },
  });
  // Moto takes any credentials; where they come from is what the platform does, so that stays ours.
  let platform: FakeAws;
  let env: Record<string, string>;
  const versions: Record<string, string> = {};

  const put = async (name: string, value: string | Uint8Array) => {
    const content = typeof value === "string" ? { SecretString: value } : { SecretBinary: value };
    const { ARN, VersionId } = await client.send(
      new CreateSecretCommand({ Name: `${prefix}/${name}`, ...content }),
    );
    Object.assign(versions, { [name]: VersionId, [`${name}.arn`]: ARN });
  };

  before(async () => {
    assert.ok(MOTO_URL, "REQUIRE_SERVERS is set, but MOTO_URL is not");
    platform = await startFakeAws();
    env = { REGION, AWS_ENDPOINT_URL: MOTO_URL, AWS_CONTAINER_CREDENTIALS_FULL_URI: platform.credentialsUrl };
    await put("database", JSON.stringify({ url: `postgres://u:${CANARY}@h/d`, port: 5432 }));
    await put("auth", '{"key":"old"}');
    const { VersionId } = await client.send(
      new PutSecretValueCommand({ SecretId: `${prefix}/auth`, SecretString: '{"key":"new"}' }),
    );
    versions["auth.new"] = VersionId as string;
    await put("tls", Uint8Array.from([0, 255, 10]));
    await put("deleted", "x");
    await client.send(new DeleteSecretCommand({ SecretId: `${prefix}/deleted` }));
    for (let index = 0; index < 41; index++) await put(`many${index}`, `{"key":"value-${index}"}`);
  });

  after(async () => {
    client.destroy();
    await platform?.close();
  });

  const askMoto = (asked: Asked) => ask({ provider: "aws-secrets-manager", prefix }, asked, { env });

  test("keys, whole secrets and bytes arrive", async () => {
    const { values, secrets } = await askMoto([
      "database/url",
      "database/port",
      { id: "auth" },
      { id: "tls" },
    ]);
    assert.deepEqual(Object.values(values).slice(0, 3), [
      `postgres://u:${CANARY}@h/d`,
      5432,
      '{"key":"new"}',
    ]);
    assert.deepEqual(Buffer.from(secrets[3]?.revealBytes() ?? []), Buffer.from([0, 255, 10]));
  });

  test("41 secrets come in batches", async () => {
    const { values, reads } = await askMoto(Array.from({ length: 41 }, (_, index) => `many${index}/key`));
    assert.deepEqual(
      Object.values(values),
      Array.from({ length: 41 }, (_, index) => `value-${index}`),
    );
    assert.equal(reads.length, 41);
    assert.ok(reads.every(({ version }) => version));
  });

  test("stages, versions and ARNs say which value", async () => {
    const arn = versions["auth.arn"] as string;
    const { values } = await askMoto([
      { id: "auth", key: "key", stage: "previous" },
      { id: "auth", key: "key", version: versions["auth.new"] as string },
      `${arn}:key:AWSPREVIOUS:`,
      { id: arn, key: "key" },
    ]);
    assert.deepEqual(Object.values(values), ["old", "new", "old", "new"]);
  });

  test("what is not there, has no such stage or is being deleted is missing, each by itself", async () => {
    const { problems, values } = await askMoto([
      "nowhere/key",
      { id: "database", stage: "previous" },
      "deleted/key",
      "auth/key",
    ]);
    assert.deepEqual(
      problems.map(({ kind }) => kind),
      ["missing", "missing", "missing"],
    );
    assert.deepEqual(values, { "auth/key": "new" });
  });

  test("a web identity token becomes a role's credentials", async () => {
    const file = join(makeFolder(), "token");
    await writeFile(file, "a-token-of-at-least-twenty-characters");
    const role = "arn:aws:iam::123456789012:role/shop";
    const web = {
      REGION,
      AWS_ENDPOINT_URL: String(MOTO_URL),
      AWS_WEB_IDENTITY_TOKEN_FILE: file,
      AWS_ROLE_ARN: role,
    };
    const { values, identity } = await ask({ provider: "aws-secrets-manager", prefix }, ["auth/key"], {
      env: web,
    });
    assert.deepEqual(values, { "auth/key": "new" });
    assert.match(identity, /web identity as arn:aws:iam/);
  });

  const config = (settings: object) => ({
    app: "./app.mjs",
    secrets: { test: { provider: "aws-secrets-manager", prefix } },
    settings,
  });

  test("the bundle boots an app on it, and prints no value", async () => {
    const app = `export const start = (settings) => console.log("length", settings.URL.length, settings.PORT);`;
    await using bundle = startBundle({
      config: config({
        URL: { from: "database/url", type: "url" },
        PORT: { from: "database/port", type: "port" },
      }),
      files: { "app.mjs": app },
      env,
    });
    const { code, stdout, stderr } = await bundle.exit;
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^length \d+ 5432$/m);
    assert.ok(!(stdout + stderr).includes(CANARY));
  });

  test("the bundle refuses to start on what is missing", async () => {
    const exit = await runBundle({
      config: config({ A: "nowhere/a", B: "auth/b" }),
      files: { "app.mjs": "" },
      env,
    });
    assert.equal(exit.code, 78);
    assert.equal(exit.events.filter(({ event }) => event === "problem.missing").length, 2);
  });
});
