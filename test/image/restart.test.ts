/** What Docker's restarts make of a container that refuses to start. */
import assert from "node:assert/strict";
import { before, describe, type TestContext, test } from "node:test";
import { type FakeAws, startFakeAws } from "../fakes/aws.ts";
import { buildImage, Container, type ContainerOptions, docker, findObstacle } from "./engine.ts";

const obstacle = await findObstacle();
if (obstacle && process.env.REQUIRE_SERVERS === "1")
  throw new Error(`the image can't be tested: ${obstacle}`);

describe("a container that refuses to start", { skip: obstacle ?? false }, () => {
  before(buildImage);

  test("ends at once with its exit code, when it is the first time", async (t) => {
    const { shop } = await start({}, t);
    assert.equal(await docker("wait", shop.name), "78\n");
    assert.deepEqual(await eventsOf(shop, "exit.delayed"), []);
  });

  for (const init of [false, true]) {
    const how = init ? "with Docker's init" : "as PID 1";
    test(`${how}, asks the manager once more when Docker starts it again, and then not for a minute`, async (t) => {
      const { shop, fake } = await start({ restart: "always", init }, t);
      await shop.whenLogged("exit.delayed");
      const [delayed] = await eventsOf(shop, "exit.delayed");
      assert.equal(delayed?.again, true);
      assert.match(String(delayed?.message), /restart the container when it is mended/);
      assert.ok(Number(delayed?.waitMs) > 50_000, `${delayed?.waitMs}`);
      assert.equal((await eventsOf(shop, "run.failed")).length, 2);
      assert.equal(fake.requests.filter(({ call }) => call === "BatchGetSecretValue").length, 2);
      const { State, RestartCount } = await shop.inspect();
      assert.ok(State.Running);
      assert.equal(RestartCount, 1);
      assert.equal((await shop.exec("node", "/sallyport/entrypoint.mjs", "healthcheck")).code, 1);
      assert.equal(await shop.stop(10), 78, "a stop ends the wait");
    });
  }
});

/** The example app, and a manager that has nothing for it. */
async function start(
  options: Pick<ContainerOptions, "restart" | "init">,
  t: TestContext,
): Promise<{ shop: Container; fake: FakeAws }> {
  const fake = await startFakeAws({ secrets: {} });
  t.after(() => fake.close());
  const env = { ENVIRONMENT: "production", ...fake.env };
  const shop = await Container.start({ network: "host", env, ...options });
  t.after(() => shop.remove());
  return { shop, fake };
}

/** The log's lines of one kind, as objects. */
async function eventsOf(shop: Container, event: string): Promise<Record<string, unknown>[]> {
  const lines = (await shop.logs()).split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line)).filter((it) => it.event === event);
}
