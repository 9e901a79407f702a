import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { SallyportError } from "../../entrypoint/errors.ts";
import { inContainer } from "../../entrypoint/provider/aws/identity.ts";
import { arnOf, type FakeAws, startFakeAws } from "../fakes/aws.ts";
import { CERTIFICATE, KEY } from "../fakes/certificate.ts";
import { startFake } from "../fakes/server.ts";
import { makeFolder } from "../folder.ts";
import { type Asked, ask } from "./ask.ts";

const DATABASE = JSON.stringify({ url: "postgres://x", user: "u", port: 5432 });

function askAws(fake: FakeAws, asked: Asked, env = {}) {
  return ask({ provider: "aws-secrets-manager", prefix: "shop" }, asked, { env: { ...fake.env, ...env } });
}

describe("reading", () => {
  test("25 secrets take two batches of at most 20", async () => {
    const names = Array.from({ length: 25 }, (_, index) => `s${index}`);
    await using fake = await startFakeAws({
      secrets: Object.fromEntries(names.map((name) => [`shop/${name}`, `{"key":"value-${name}"}`])),
    });
    const { values } = await askAws(
      fake,
      names.map((name) => `${name}/key`),
    );
    assert.deepEqual(
      Object.values(values),
      names.map((name) => `value-${name}`),
    );
    assert.deepEqual(callsOf(fake), ["BatchGetSecretValue", "BatchGetSecretValue"]);
  });

  test("the pages of a batch are followed", async () => {
    await using fake = await startFakeAws({
      secrets: { "shop/a": '{"k":"1"}', "shop/b": '{"k":"2"}', "shop/c": '{"k":"3"}' },
      pageSize: 1,
    });
    const { values } = await askAws(fake, ["a/k", "b/k", "c/k"]);
    assert.deepEqual(values, { "a/k": "1", "b/k": "2", "c/k": "3" });
    assert.equal(callsOf(fake).length, 3);
  });

  test("a manager that pages without end is not believed", async () => {
    await using fake = await startFakeAws({ secrets: { "shop/a": "1", "shop/b": "2" } });
    fake.fail(() => ({ status: 200, body: { SecretValues: [], NextToken: "again" } }), {
      times: 99,
      call: "BatchGetSecretValue",
    });
    await assert.rejects(askAws(fake, ["a/k", "b/k"]), { code: "MANAGER_ANSWER_INVALID" });
  });

  test("what a batch leaves out is read singly", async () => {
    await using fake = await startFakeAws({ secrets: { "shop/a": '{"k":"1"}', "shop/b": '{"k":"2"}' } });
    fake.fail(
      () => ({
        status: 200,
        body: { SecretValues: [], Errors: [{ SecretId: "shop/a", ErrorCode: "InternalServiceError" }] },
      }),
      {
        call: "BatchGetSecretValue",
      },
    );
    const { values } = await askAws(fake, ["a/k", "b/k"]);
    assert.deepEqual(values, { "a/k": "1", "b/k": "2" });
    assert.deepEqual(callsOf(fake), ["BatchGetSecretValue", "GetSecretValue", "GetSecretValue"]);
  });

  test("a role that may not batch reads singly, with one warning that names the permission", async () => {
    const secrets = Object.fromEntries(
      Array.from({ length: 45 }, (_, index) => [`shop/s${index}`, '{"k":"v"}']),
    );
    await using fake = await startFakeAws({ secrets, mayBatch: false });
    const { values, lines } = await askAws(
      fake,
      Object.keys(secrets).map((name) => `${name.slice(5)}/k`),
    );
    assert.equal(Object.values(values).filter((value) => value === "v").length, 45);
    const warnings = lines.filter(({ level }) => level === "warn");
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]?.message ?? "", /secretsmanager:BatchGetSecretValue/);
  });

  test("a throttled batch is read singly instead of tried again", async () => {
    await using fake = await startFakeAws({ secrets: { "shop/a": '{"k":"1"}', "shop/b": '{"k":"2"}' } });
    fake.fail("throttle", { call: "BatchGetSecretValue" });
    const { values } = await askAws(fake, ["a/k", "b/k"]);
    assert.deepEqual(values, { "a/k": "1", "b/k": "2" });
    assert.deepEqual(callsOf(fake), ["BatchGetSecretValue", "GetSecretValue", "GetSecretValue"]);
  });

  for (const code of ["InvalidParameterException", "DecryptionFailure", "UnknownOperationException"]) {
    test(`a batch that is refused with ${code} does not hide which secret it is about`, async () => {
      await using fake = await startFakeAws({ secrets: { "shop/a": '{"k":"1"}' } });
      fake.fail(() => ({ status: 400, body: { __type: code } }), { call: "BatchGetSecretValue" });
      const { values, problems } = await askAws(fake, ["a/k", "b/k"]);
      assert.deepEqual(values, { "a/k": "1" });
      assert.deepEqual(
        problems.map(({ message }) => message),
        ["no secret shop/b"],
      );
    });
  }

  test("a clock that is wrong is set by the answer", async () => {
    await using fake = await startFakeAws({ secrets: { "shop/a": '{"k":"1"}' } });
    const skewed = { date: new Date(Date.now() - 3_600_000).toUTCString() };
    fake.fail(() => ({ status: 403, body: { __type: "InvalidSignatureException" }, headers: skewed }), {
      call: "GetSecretValue",
    });
    assert.deepEqual((await askAws(fake, ["a/k"])).values, { "a/k": "1" });
  });

  test("stages and versions are read singly, each once", async () => {
    await using fake = await startFakeAws({ secrets: { "shop/auth": '{"key":"old"}' } });
    fake.put("shop/auth", '{"key":"new"}');
    const { values, secrets } = await askAws(fake, [
      "auth/key",
      { id: "auth", key: "key", stage: "previous" },
      { id: "auth", key: "key", stage: "AWSPREVIOUS" },
    ]);
    assert.deepEqual(Object.values(values), ["new", "old", "old"]);
    assert.equal(callsOf(fake).length, 2);
    const version = secrets[1]?.version as string;
    const pinned = await askAws(fake, [{ id: "auth", key: "key", version }]);
    assert.deepEqual(Object.values(pinned.values), ["old"]);
  });

  test("a stage that the secret does not have is missing, and the message names the stage", async () => {
    await using fake = await startFakeAws({ secrets: { "shop/auth": '{"key":"only"}' } });
    const { problems } = await askAws(fake, [{ id: "auth", key: "key", stage: "previous" }]);
    assert.equal(problems[0]?.kind, "missing");
    assert.match(problems[0]?.message ?? "", /AWSPREVIOUS/);
  });

  test("ARNs are understood: full, without the random end, and in the form of ECS task definitions", async () => {
    await using fake = await startFakeAws({ secrets: { "shop/database": DATABASE } });
    const arn = arnOf("shop/database");
    const { values } = await askAws(fake, [
      `${arn}:url::`,
      { id: arn.slice(0, -7), key: "user" },
      { id: arn, key: "port" },
    ]);
    assert.deepEqual(Object.values(values), ["postgres://x", "u", 5432]);
  });

  test("an ARN of another region is asked for in that region", async () => {
    await using fake = await startFakeAws({});
    const arn = arnOf("x").replace("eu-west-1", "us-east-1");
    await askAws(fake, [{ id: arn }]);
    assert.match(fake.requests.at(-1)?.headers.authorization ?? "", /\/us-east-1\/secretsmanager\//);
  });

  test("a binary secret arrives byte by byte", async () => {
    const bytes = Uint8Array.from([0, 255, 10, 13, 128]);
    await using fake = await startFakeAws({ secrets: { "shop/tls": bytes } });
    const { secrets } = await askAws(fake, [{ id: "tls" }]);
    assert.deepEqual(Buffer.from(secrets[0]?.revealBytes() ?? []), Buffer.from(bytes));
  });

  test("a secret that is JSON but not an object, and one that is not JSON, have no keys", async () => {
    await using fake = await startFakeAws({ secrets: { "shop/list": '["canary"]', "shop/text": "canary" } });
    const { problems } = await askAws(fake, ["list/key", "text/key"]);
    assert.deepEqual(
      problems.map(({ message }) => message),
      [
        "shop/list is JSON, but not an object, so it has no key 'key'",
        "shop/text is not JSON, so it has no key 'key'",
      ],
    );
  });

  test("a key that is nearly right is suggested", async () => {
    await using fake = await startFakeAws({ secrets: { "shop/database": DATABASE } });
    const { problems } = await askAws(fake, ["database/ulr"]);
    assert.equal(problems[0]?.message, "shop/database has no key 'ulr'; did you mean 'url'?");
  });

  test("an address without a folder is a key of the prefix's own secret", async () => {
    await using fake = await startFakeAws({ secrets: { shop: '{"LOG_LEVEL":"info"}' } });
    assert.deepEqual((await askAws(fake, ["LOG_LEVEL"])).values, { LOG_LEVEL: "info" });
  });
});

describe("identity", () => {
  test("inside a container, static keys and profiles are not used", async () => {
    await using fake = await startFakeAws({ secrets: { "shop/a": '{"k":"1"}' } });
    const keys = {
      AWS_ACCESS_KEY_ID: "AKIASTATIC",
      AWS_SECRET_ACCESS_KEY: "x",
      KUBERNETES_SERVICE_HOST: "10.0.0.1",
    };
    const { lines, identity } = await askAws(fake, ["a/k"], keys);
    assert.match(identity, /container credential endpoint \(key ASIAFAKE/);
    assert.ok(!JSON.stringify(lines).includes("AKIASTATIC"));
    await assert.rejects(
      askAws(fake, ["a/k"], {
        ...keys,
        AWS_CONTAINER_CREDENTIALS_FULL_URI: "",
        AWS_EC2_METADATA_DISABLED: "true",
      }),
      { code: "IDENTITY_MISSING" },
    );
    assert.equal(inContainer(keys), true);
  });

  test("the authorization token is read from its file, each time anew", async () => {
    const file = join(makeFolder(), "token");
    await writeFile(file, "right");
    await using fake = await startFakeAws({ secrets: { "shop/a": '{"k":"1"}' }, token: "right" });
    const env = { AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file, AWS_CONTAINER_AUTHORIZATION_TOKEN: "wrong" };
    assert.deepEqual((await askAws(fake, ["a/k"], env)).values, { "a/k": "1" });
    await writeFile(file, "stale");
    await assert.rejects(askAws(fake, ["a/k"], env), { code: "IDENTITY_REFUSED" });
    const missing = { AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: `${file}.gone` };
    await assert.rejects(askAws(fake, ["a/k"], missing), {
      code: "IDENTITY_MISSING",
      message: /uid \d+ can't read/,
    });
  });

  test("a credential endpoint that is not on the machine or the platform is refused", async () => {
    await using fake = await startFakeAws();
    const elsewhere = { AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://192.0.2.1/credentials" };
    await assert.rejects(askAws(fake, ["a/k"], elsewhere), { code: "IDENTITY_MISSING" });
  });

  for (const fault of ["error", "reset", "cut", "garbage"] as const) {
    test(`a credential endpoint that fails once (${fault}) is asked again`, async () => {
      await using fake = await startFakeAws({ secrets: { "shop/a": '{"k":"1"}' } });
      fake.fail(fault, { call: "/credentials" });
      assert.deepEqual((await askAws(fake, ["a/k"])).values, { "a/k": "1" });
    });
  }

  test("a credential endpoint that hangs is asked again", async () => {
    await using fake = await startFakeAws({ secrets: { "shop/a": '{"k":"1"}' } });
    fake.fail("hang", { call: "/credentials" });
    assert.deepEqual((await askAws(fake, ["a/k"])).values, { "a/k": "1" });
  });

  test("a certificate that can't be trusted is not tried again", async () => {
    const server = createServer({ key: KEY, cert: CERTIFICATE }, (_, response) => response.end());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const uri = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    await using fake = await startFakeAws();
    const env = { AWS_CONTAINER_CREDENTIALS_FULL_URI: uri };
    await assert.rejects(askAws(fake, ["a/k"], env), {
      code: "MANAGER_UNREACHABLE",
      hint: /NODE_EXTRA_CA_CERTS/,
    });
    server.close();
    server.closeAllConnections();
  });

  test("credentials that Secrets Manager does not know are a refused identity, asked about once", async () => {
    await using fake = await startFakeAws({ secrets: { "shop/a": "1" } });
    fake.fail(() => ({ status: 400, body: { __type: "InvalidSignatureException", Message: "canary" } }), {
      call: "GetSecretValue",
    });
    await assert.rejects(askAws(fake, ["a/k"]), (error: SallyportError) => {
      assert.ok(!`${error.message}${error.hint}`.includes("canary"));
      return error.code === "IDENTITY_REFUSED";
    });
    assert.equal(callsOf(fake).length, 1);
  });

  test("a web identity token becomes the role's credentials", async () => {
    const file = join(makeFolder(), "token");
    await writeFile(file, "jwt");
    await using fake = await startFakeAws({ secrets: { "shop/a": '{"k":"1"}' } });
    await using sts = await startFake({
      name: () => "AssumeRoleWithWebIdentity",
      throttled: { status: 400, body: "" },
      answer: ({ body }) => {
        const isRight = body.includes("WebIdentityToken=jwt") && body.includes("RoleSessionName=sallyport");
        return {
          status: isRight ? 200 : 400,
          body: isRight ? ASSUMED : REFUSED,
          headers: { "content-type": "text/xml" },
        };
      },
    });
    const env = {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: "",
      AWS_WEB_IDENTITY_TOKEN_FILE: file,
      AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/shop",
      AWS_ENDPOINT_URL_STS: sts.url,
    };
    const { values, identity } = await askAws(fake, ["a/k"], env);
    assert.deepEqual(values, { "a/k": "1" });
    assert.match(identity, /web identity as arn:aws:iam::123456789012:role\/shop/);
    await writeFile(file, "forged");
    await assert.rejects(askAws(fake, ["a/k"], env), { code: "IDENTITY_REFUSED" });
  });
});

const ASSUMED = `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
<Credentials><AccessKeyId>ASIAFAKEFAKEFAKE0001</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`;
const REFUSED = `<ErrorResponse><Error><Type>Sender</Type><Code>InvalidIdentityToken</Code><Message>canary</Message></Error></ErrorResponse>`;

function callsOf(fake: FakeAws): string[] {
  return fake.requests.map(({ call }) => call).filter((call) => call.endsWith("GetSecretValue"));
}
