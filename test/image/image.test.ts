/** The image in a real Docker engine: what an operator sees of it, from `docker build` to `docker stop`. */
import assert from "node:assert/strict";
import { chmod, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { type FakeAws, startFakeAws } from "../fakes/aws.ts";
import { startFakeInfisical } from "../fakes/infisical.ts";
import {
  buildImage,
  Container,
  type ContainerOptions,
  docker,
  ENTRYPOINT,
  findObstacle,
  IMAGE,
} from "./engine.ts";
import {
  findFreePort,
  forFiles,
  forInfisical,
  forSecretsManager,
  layFiles,
  SECRETS,
  shopSecrets,
} from "./shop.ts";

const obstacle = await findObstacle();
if (obstacle && process.env.REQUIRE_SERVERS === "1")
  throw new Error(`the image can't be tested: ${obstacle}`);

/** ECS injects the one; the other turns the SDK to the fake. Neither is a secret. */
const INJECTED = ["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_ENDPOINT_URL_SECRETS_MANAGER"];
const IMAGES_OWN = ["NODE_VERSION", "PATH"];

describe("the image", { skip: obstacle ?? false }, () => {
  before(buildImage);

  test("runs as a numeric user, with an entrypoint and a health check that need no shell", async () => {
    const { Config } = JSON.parse(await docker("image", "inspect", IMAGE))[0];
    assert.equal(Config.User, "1000:1000");
    assert.deepEqual(Config.Entrypoint, ["node", ENTRYPOINT]);
    assert.deepEqual(Config.Healthcheck.Test, ["CMD", "node", ENTRYPOINT, "healthcheck"]);
    assert.equal(Config.Cmd, null);
  });

  describe("a container with secrets from Secrets Manager", () => {
    let fake: FakeAws;
    let shop: Container;
    let port: number;
    before(async () => {
      port = await findFreePort();
      fake = await startFakeAws({ secrets: forSecretsManager(shopSecrets(port)) });
      shop = await Container.start({ network: "host", env: { ENVIRONMENT: "production", ...fake.env } });
    });
    after(async () => {
      await shop?.remove();
      await fake?.close();
    });

    test("becomes healthy by the image's own HEALTHCHECK", async () => {
      await shop.whenHealthy();
      const answer = await fetch(`http://127.0.0.1:${port}/`);
      assert.equal(((await answer.json()) as { stripe: string }).stripe, "has its key");
    });

    test("runs as 1000:1000, without a capability, on a root that it can't write", async () => {
      assert.deepEqual(await shop.evaluate("[process.getuid(), process.getgid()]"), [1000, 1000]);
      const status = String(await shop.evaluate('fs.readFileSync("/proc/1/status", "utf8")'));
      assert.match(status, /^Uid:\t1000\t1000\t1000\t1000$/m);
      assert.match(status, /^CapEff:\t0+$/m);
      assert.match(status, /^CapBnd:\t0+$/m);
      assert.match(status, /^NoNewPrivs:\t1$/m);
      const { stderr } = await shop.exec("node", "--eval", 'fs.writeFileSync("/app/file", "")');
      assert.match(stderr, /EROFS/);
    });

    test("has no shell to exec", async () => {
      for (const shell of ["sh", "bash", "/bin/sh"]) {
        const { code, stdout, stderr } = await shop.exec(shell, "-c", "true");
        assert.notEqual(code, 0);
        assert.match(stdout + stderr, /no such file or directory|not found in \$PATH/);
      }
    });

    test("docker inspect shows ENVIRONMENT, REGION and the image's own variables only", async () => {
      const expected = ["ENVIRONMENT", "REGION", ...INJECTED, ...IMAGES_OWN];
      assert.deepEqual(await shop.variables(), expected.sort());
    });

    test("docker exec … secrets health answers", async () => {
      const { code, stdout } = await shop.exec("node", ENTRYPOINT, "secrets", "health", "--json");
      assert.equal(code, 0);
      assert.match(stdout, /Secrets Manager in eu-west-1/);
      assert.equal((await shop.exec("node", ENTRYPOINT, "secrets", "health")).code, 0);
    });

    test("shows no secret in docker logs, docker inspect, docker top or the environment of PID 1", async () => {
      const places = {
        "docker logs": await shop.logs(),
        "docker inspect": await docker("inspect", shop.name),
        "docker top": await docker("top", shop.name, "auxe"),
        "/proc/1/environ": String(await shop.evaluate('fs.readFileSync("/proc/1/environ", "utf8")')),
      };
      for (const [place, text] of Object.entries(places)) {
        assert.ok(text.length > 0, `${place} is empty`);
        for (const secret of SECRETS) assert.ok(!text.includes(secret), `${place} shows a secret`);
      }
    });

    test("docker exec … secrets refresh takes what has changed in the manager, and status tells how old it is", async () => {
      const { app } = shopSecrets(port);
      fake.put("shop/production/app", JSON.stringify({ ...app, log_level: "debug" }));
      const asked = await shop.exec("node", ENTRYPOINT, "secrets", "refresh", "--json");
      assert.equal(asked.code, 0, asked.stderr);
      assert.deepEqual(JSON.parse(asked.stdout).changed, ["LOG_LEVEL"]);
      const answer = await fetch(`http://127.0.0.1:${port}/`);
      assert.equal(((await answer.json()) as { LOG_LEVEL: string }).LOG_LEVEL, "debug");
      const { code, stdout } = await shop.exec("node", ENTRYPOINT, "secrets", "status");
      assert.equal(code, 0);
      assert.match(stdout, /LOG_LEVEL: shop\/production\/app#log_level, version \S+, held for \d+ s/);
      for (const secret of SECRETS) assert.ok(!stdout.includes(secret), "shows a secret");
    });

    test("docker stop is answered by serving on while unready, and exits 0 within the grace period", async () => {
      const stopping = shop.stop(10);
      await shop.whenLogged("shutdown.started");
      assert.equal((await shop.exec("node", ENTRYPOINT, "healthcheck")).code, 1);
      assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
      // After the grace period it would be 137.
      assert.equal(await stopping, 0);
      assert.match(await shop.logs(), /"shutdown.completed"/);
    });
  });

  test("from outside, /secrets/refresh wants the token, and no proxy between", async (t) => {
    const [port, adminPort] = [await findFreePort(), await findFreePort()];
    const token = "the-operators-token";
    const secrets = { ...shopSecrets(port), admin: { token } };
    const fake = await startFakeAws({ secrets: forSecretsManager(secrets) });
    t.after(() => fake.close());
    const config = JSON.parse(
      await readFile(new URL("../../docker/example/sallyport.config.json", import.meta.url), "utf8"),
    );
    config.settings.ADMIN_TOKEN = "admin/token";
    config.admin = { listen: `127.0.0.1:${adminPort}`, token: "ADMIN_TOKEN" };
    const folder = await layTemporary({ "config.json": JSON.stringify(config) }, t);
    const volumes = [`${folder}/config.json:/app/sallyport.config.json:ro`];
    const env = { ENVIRONMENT: "production", ...fake.env };
    const shop = await startTemporary({ network: "host", env, volumes }, t);
    await shop.whenHealthy();
    const post = async (headers: Record<string, string>) =>
      (await fetch(`http://127.0.0.1:${adminPort}/secrets/refresh`, { method: "POST", headers })).status;
    const authorization = `Bearer ${token}`;
    assert.equal(await post({}), 401);
    assert.equal(await post({ authorization: `${authorization}x` }), 401);
    assert.equal(await post({ authorization, "x-forwarded-for": "10.0.0.1" }), 403);
    assert.equal(await post({ authorization }), 200);
  });

  test("docker stop in mid-boot exits 143", async (t) => {
    const fake = await startFakeAws({ secrets: forSecretsManager(shopSecrets(await findFreePort())) });
    t.after(() => fake.close());
    fake.fail("hang", { times: Number.POSITIVE_INFINITY, call: "BatchGetSecretValue" });
    const shop = await startTemporary(
      { network: "host", env: { ENVIRONMENT: "production", ...fake.env } },
      t,
    );
    await shop.until("waiting for the manager", () =>
      fake.requests.some(({ call }) => call === "BatchGetSecretValue"),
    );
    assert.equal(await shop.stop(10), 143);
    assert.match(await shop.logs(), /SIGTERM in phase fetch/);
  });

  test("with Docker secrets for Infisical, docker inspect shows ENVIRONMENT and nothing of the login", async (t) => {
    const fake = await startFakeInfisical({ folders: forInfisical(shopSecrets(await findFreePort())) });
    t.after(() => fake.close());
    const login = Object.entries(fake.bootstrap).map(([name, value]) => [name.toLowerCase(), value] as const);
    const folder = await layTemporary(Object.fromEntries(login), t);
    const volumes = login.map(([name]) => `${folder}/${name}:/run/secrets/${name}:ro`);
    const shop = await startTemporary({ network: "host", env: { ENVIRONMENT: "homelab" }, volumes }, t);
    await shop.whenHealthy();
    assert.deepEqual(await shop.variables(), ["ENVIRONMENT", ...IMAGES_OWN]);
    const shown = (await shop.logs()) + (await docker("inspect", shop.name));
    for (const secret of [...SECRETS, fake.bootstrap.INFISICAL_CLIENT_SECRET as string])
      assert.ok(!shown.includes(secret), "shows a secret");
  });

  test("without any network, secrets from files make it healthy", async (t) => {
    const folder = await layTemporary(forFiles(shopSecrets(8080)), t);
    const shop = await startTemporary(withFiles(folder), t);
    await shop.whenHealthy();
    assert.equal(await shop.stop(10), 0);
  });

  test("a secret file that uid 1000 may not read ends it with 77, the uid and the path", async (t) => {
    const folder = await layTemporary(forFiles(shopSecrets(8080)), t);
    await chmod(join(folder, "database/url"), 0o600);
    const shop = await startTemporary(withFiles(folder), t);
    assert.equal(await docker("wait", shop.name), "77\n");
    assert.match(await shop.logs(), /uid 1000 may not read \/app\/\S+\/database\/url/);
  });
});

function withFiles(folder: string): ContainerOptions {
  const volumes = [`${folder}:/app/.secrets/development:ro`];
  return { network: "none", env: { ENVIRONMENT: "development" }, volumes };
}

async function layTemporary(files: Record<string, string>, t: TestContext): Promise<string> {
  const folder = await layFiles(files);
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

async function startTemporary(options: ContainerOptions, t: TestContext): Promise<Container> {
  const container = await Container.start(options);
  t.after(() => container.remove());
  return container;
}
