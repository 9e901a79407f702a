import assert from "node:assert/strict";
import { test } from "node:test";
import { InfisicalSDK } from "@infisical/sdk";
import type { SallyportError } from "../../entrypoint/errors.ts";
import { type FakeInfisical, startFakeInfisical } from "../fakes/infisical.ts";
import { type AskContext, type Asked, ask } from "./ask.ts";

const FOLDERS = {
  "/": { ROOT: "root" },
  // biome-ignore lint/suspicious/noTemplateCurlyInString: Infisical's references look like this
  "/database": { user: "app", url: "postgres://${user}@db", version7: { value: "seven", version: 7 } },
  "/first": { shared: "from-first", only: "first", own: "x" },
  "/second": { shared: "from-second" },
  "/app": { own: "own" },
};

function askInfisical(fake: FakeInfisical, asked: Asked, context: AskContext = {}) {
  const bootstrap = { ...fake.bootstrap, ...context.bootstrap };
  return ask({ provider: "infisical", environment: "prod" }, asked, { ...context, bootstrap });
}

test("references are expanded, and an address without a folder is in the root", async () => {
  await using fake = await startFakeInfisical({ folders: FOLDERS });
  const { values } = await askInfisical(fake, ["database/url", "ROOT"]);
  assert.deepEqual(values, { "database/url": "postgres://app@db", ROOT: "root" });
});

test("of the imports the last one wins, a folder's own secret wins over all, and collisions are reported", async () => {
  await using fake = await startFakeInfisical({
    folders: FOLDERS,
    imports: { "/app": ["/first", "/second"] },
  });
  const { values, lines } = await askInfisical(fake, ["app/shared", "app/only", "app/own"]);
  assert.deepEqual(values, { "app/shared": "from-second", "app/only": "first", "app/own": "own" });
  const collisions = lines.filter(({ event }) => event === "import.collided");
  assert.deepEqual(
    collisions.map(({ fields }) => fields?.name),
    ["shared"],
  );
});

test("a hidden value is a permission problem, never the value", async () => {
  await using fake = await startFakeInfisical({ folders: { "/a": { key: { value: "v", hidden: true } } } });
  const { problems, values } = await askInfisical(fake, ["a/key"]);
  assert.deepEqual(values, {});
  assert.equal(problems[0]?.kind, "denied");
});

test("a refused login is not repeated", async () => {
  await using fake = await startFakeInfisical();
  const wrong = { INFISICAL_CLIENT_SECRET: "wrong-canary" };
  await assert.rejects(askInfisical(fake, ["a/key"], { bootstrap: wrong }), (error: SallyportError) => {
    assert.ok(!`${error.message} ${error.hint} ${error.stack}`.includes("wrong-canary"));
    return error.code === "IDENTITY_REFUSED";
  });
  assert.equal(fake.requests.length, 1);
});

test("a locked identity is told from a wrong secret, and what was refused asks to be left alone as long as a lock lasts, or longer", async () => {
  await using fake = await startFakeInfisical({ folders: FOLDERS });
  const wrong = { bootstrap: { INFISICAL_CLIENT_SECRET: "wrong" } };
  for (let refusal = 1; refusal <= 3; refusal++) {
    await assert.rejects(askInfisical(fake, ["ROOT"], wrong), {
      message: /refused the login/,
      rest: { leastMs: 300_000, mostMs: 600_000, mostAgainMs: 1_800_000, apartMs: 31_000 },
    });
  }
  await assert.rejects(askInfisical(fake, ["ROOT"]), {
    code: "IDENTITY_REFUSED",
    message: /has locked the identity for now/,
    rest: { leastMs: 300_000, mostMs: 600_000, apartMs: 31_000 },
  });
});

test("a client ID that is not known is a refused login, though it is answered by 404", async () => {
  await using fake = await startFakeInfisical();
  const body = {
    statusCode: 404,
    error: "NotFound",
    message: "No identity with specified client ID was found",
  };
  fake.fail(() => ({ status: 404, body }), { call: "login" });
  await assert.rejects(askInfisical(fake, ["ROOT"]), { code: "IDENTITY_REFUSED" });
});

for (const [who, status, body] of [
  ["a proxy that has no route yet", 404, "404 page not found"],
  ["a firewall", 403, "<html><title>Just a moment...</title></html>"],
  ["a page to log in", 401, { url: "/login" }],
] as const) {
  test(`${who} in the manager's place is no refused login`, async () => {
    await using fake = await startFakeInfisical();
    fake.fail(() => ({ status, body }), { call: "login" });
    await assert.rejects(askInfisical(fake, ["ROOT"]), {
      code: "MANAGER_ANSWER_INVALID",
      rest: undefined,
    });
  });
}

test("a throttled login is tried again, after the time that was asked for", async () => {
  await using fake = await startFakeInfisical({ folders: FOLDERS });
  fake.fail("throttle", { call: "login" });
  assert.deepEqual((await askInfisical(fake, ["ROOT"])).values, { ROOT: "root" });
});

test("a token that expired after the login is renewed once for all folders", async () => {
  await using fake = await startFakeInfisical({ folders: FOLDERS });
  const { values } = await askInfisical(fake, ["ROOT", "app/own", "database/user"], {
    between: fake.expireTokens,
  });
  assert.deepEqual(values, { ROOT: "root", "app/own": "own", "database/user": "app" });
  assert.equal(fake.requests.filter(({ call }) => call === "login").length, 2);
});

test("an instance from before version 4 of the API is asked by version 3", async () => {
  await using fake = await startFakeInfisical({ folders: FOLDERS, legacy: true });
  assert.deepEqual((await askInfisical(fake, ["database/url"])).values, {
    "database/url": "postgres://app@db",
  });
});

test("a pinned version is read by itself", async () => {
  await using fake = await startFakeInfisical({ folders: FOLDERS });
  const { values, problems } = await askInfisical(fake, [
    { id: "database/version7", version: "7" },
    { id: "database/version7", version: "6" },
  ]);
  assert.deepEqual(values, { "database/version7@7": "seven" });
  assert.match(problems[0]?.message ?? "", /no version 6 of 'version7'/);
});

test("a key looks into a value that is a JSON object", async () => {
  await using fake = await startFakeInfisical({ folders: { "/": { google: '{"private_key":"pem"}' } } });
  const { values } = await askInfisical(fake, [{ id: "google", key: "private_key" }]);
  assert.deepEqual(values, { "google#private_key": "pem" });
});

for (const [text, path] of [
  ["", "/"],
  ["/", "/"],
  ["/api", "/"],
  ["/api/", "/"],
  ["/below", "/below/"],
] as const) {
  test(`INFISICAL_URL may end in '${text}'`, async () => {
    await using fake = await startFakeInfisical({ folders: FOLDERS });
    const { values } = await askInfisical(fake, ["ROOT"], { bootstrap: { INFISICAL_URL: fake.url + text } });
    assert.deepEqual(values, { ROOT: "root" });
    assert.equal(fake.requests[0]?.url.pathname, `${path}api/v1/auth/universal-auth/login`);
  });
}

test("an address that is no URL is said without being quoted", async () => {
  await using fake = await startFakeInfisical();
  const wrong = { INFISICAL_URL: "st.canary.example" };
  await assert.rejects(askInfisical(fake, ["ROOT"], { bootstrap: wrong }), (error: SallyportError) => {
    assert.ok(!error.message.includes("canary"));
    return error.code === "BOOTSTRAP_INVALID";
  });
});

test("a redirect is not followed with the client secret in hand", async () => {
  await using fake = await startFakeInfisical();
  fake.fail(() => ({ status: 301, body: "", headers: { location: "https://elsewhere.example/" } }), {
    call: "login",
  });
  await assert.rejects(askInfisical(fake, ["ROOT"]), {
    code: "MANAGER_ANSWER_INVALID",
    hint: /INFISICAL_URL/,
  });
});

test("a project that does not exist is told from a missing secret", async () => {
  await using fake = await startFakeInfisical({ folders: FOLDERS });
  const { problems } = await askInfisical(fake, ["ROOT"], { bootstrap: { INFISICAL_PROJECT_ID: "other" } });
  assert.equal(problems[0]?.kind, "denied");
});

test("the official client reads the same values from the same server", async () => {
  await using fake = await startFakeInfisical({ folders: FOLDERS, imports: { "/app": ["/first"] } });
  const { INFISICAL_URL, INFISICAL_PROJECT_ID, INFISICAL_CLIENT_ID, INFISICAL_CLIENT_SECRET } =
    fake.bootstrap as Record<string, string>;
  const client = await new InfisicalSDK({ siteUrl: INFISICAL_URL as string }).auth().universalAuth.login({
    clientId: INFISICAL_CLIENT_ID as string,
    clientSecret: INFISICAL_CLIENT_SECRET as string,
  });
  for (const secretPath of ["/app", "/database"]) {
    const listed = await client.secrets().listSecretsWithImports({
      projectId: INFISICAL_PROJECT_ID as string,
      environment: "prod",
      secretPath,
      expandSecretReferences: true,
    });
    const theirs = Object.fromEntries(
      listed.map(({ secretKey, secretValue }) => [`${secretPath.slice(1)}/${secretKey}`, secretValue]),
    );
    const { values } = await askInfisical(fake, Object.keys(theirs));
    assert.deepEqual(values, theirs);
    assert.ok(Object.keys(theirs).length > 1);
  }
});
