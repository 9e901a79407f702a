/** Which identity counts where, and the two that are not asked over an endpoint of the platform's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { findIdentity } from "../../entrypoint/provider/aws/identity.ts";
import { startFakeAws } from "../fakes/aws.ts";
import { startFake } from "../fakes/server.ts";
import { ask } from "./ask.ts";

const KEYS = { AWS_ACCESS_KEY_ID: "AKIAPERSONAL", AWS_SECRET_ACCESS_KEY: "secret" };

test("the platform's variables decide, before anything personal", () => {
  const title = (env: Record<string, string>, isContainer: boolean) =>
    findIdentity({ ...KEYS, ...env }, "eu-west-1", () => {}, isContainer).title;
  for (const isContainer of [true, false]) {
    assert.equal(
      title({ AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: "/v2/x" }, isContainer),
      "the ECS task role",
    );
    const eks = { AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://169.254.170.23/v1/credentials" };
    assert.equal(title(eks, isContainer), "EKS Pod Identity");
    const web = { AWS_WEB_IDENTITY_TOKEN_FILE: "/t", AWS_ROLE_ARN: "arn:aws:iam::1:role/r" };
    assert.equal(title(web, isContainer), "web identity as arn:aws:iam::1:role/r");
  }
  assert.equal(title({}, true), "the EC2 instance role");
  assert.equal(title({}, false), "a developer's profile or keys");
});

test("outside a container a developer's keys are used, and the log says so", async () => {
  const lines: string[] = [];
  const source = findIdentity(KEYS, "eu-west-1", (_level, event) => void lines.push(event), false);
  await withProcessEnv({ ...KEYS, AWS_PROFILE: undefined, AWS_SESSION_TOKEN: undefined }, async () => {
    assert.equal((await source.resolve()).accessKeyId, "AKIAPERSONAL");
  });
  assert.deepEqual(lines, ["identity.personal"]);
});

test("on EC2 the instance's role is asked for by a session of the metadata service", async () => {
  await using fake = await startFakeAws({ secrets: { "shop/a": '{"k":"1"}' } });
  const keys = {
    AccessKeyId: "ASIAFAKEFAKEFAKE0001",
    SecretAccessKey: "s",
    Token: "t",
    Expiration: "2099-01-01T00:00:00Z",
  };
  await using metadata = await startFake({
    name: ({ url }) => url.pathname,
    throttled: { status: 503, body: "" },
    answer: ({ method, url, headers }) => {
      if (method === "PUT" && url.pathname === "/latest/api/token") return { status: 200, body: "a-session" };
      if (headers["x-aws-ec2-metadata-token"] !== "a-session") return { status: 401, body: "" };
      if (url.pathname.endsWith("/security-credentials/")) return { status: 200, body: "the-role" };
      return url.pathname.endsWith("/the-role") ? { status: 200, body: keys } : { status: 404, body: "" };
    },
  });
  const env = { ...fake.env, AWS_CONTAINER_CREDENTIALS_FULL_URI: "", KUBERNETES_SERVICE_HOST: "10.0.0.1" };
  await withProcessEnv({ AWS_EC2_METADATA_SERVICE_ENDPOINT: metadata.url }, async () => {
    const { values, identity } = await ask({ provider: "aws-secrets-manager", prefix: "shop" }, ["a/k"], {
      env,
    });
    assert.deepEqual(values, { "a/k": "1" });
    assert.match(identity, /^the EC2 instance role/);
  });
  // Nobody is there at all: told at once, and not until the deadline.
  await metadata.close();
  await withProcessEnv({ AWS_EC2_METADATA_SERVICE_ENDPOINT: metadata.url }, () =>
    assert.rejects(ask({ provider: "aws-secrets-manager", prefix: "shop" }, ["a/k"], { env }), {
      code: "IDENTITY_MISSING",
    }),
  );
});

/** The SDK reads these two from the process alone. */
async function withProcessEnv(
  variables: Record<string, string | undefined>,
  work: () => Promise<unknown>,
): Promise<void> {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  const set = (name: string, value: string | undefined) => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  };
  for (const [name, value] of Object.entries(variables)) set(name, value);
  try {
    await work();
  } finally {
    for (const [name, value] of before) set(name, value);
  }
}
