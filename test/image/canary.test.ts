/** What an operator, or anybody who can ask the engine, sees of a container whose app shows all that it has. */
import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { before, describe, type TestContext, test } from "node:test";
import { startFakeInfisical } from "../fakes/infisical.ts";
import { canary, makeCanaries, QUOTE, TALKATIVE } from "../process/canaries.ts";
import { assertNothingLeaked, type Evidence, valuesIn } from "../process/leaks.ts";
import { buildImage, Container, type ContainerOptions, docker, findObstacle } from "./engine.ts";
import { layFiles } from "./shop.ts";

const obstacle = await findObstacle();
if (obstacle && process.env.REQUIRE_SERVERS === "1")
  throw new Error(`the image can't be tested: ${obstacle}`);

/** Of PID 1 and its children; what the engine itself starts in a container, such as this, it gives all that it was told. */
const READ = `["1", ...fs.readFileSync("/proc/1/task/1/children", "latin1").split(" ").filter(Boolean)]
  .flatMap((id) => ["environ", "cmdline"].map((file) => fs.readFileSync("/proc/" + id + "/" + file, "latin1"))).join("\\n")`;
const FILES = `fs.readdirSync("/dev/shm").filter((it) => !it.endsWith(".sock")).map((it) => fs.readFileSync("/dev/shm/" + it, "latin1")).join("\\n")`;

describe("a container whose app shows all that it has", { skip: obstacle ?? false }, () => {
  before(buildImage);

  test("shows no secret in docker logs, docker inspect, docker top, or to those who docker exec", async (t) => {
    const canaries = makeCanaries();
    const source = { provider: "files", directory: ".secrets" };
    const secrets = Object.fromEntries(
      Object.entries(canaries.secrets).map(([path, value]) => [`.secrets/${path}`, value]),
    );
    const config = { app: "./app.mjs", secrets: { test: source }, settings: canaries.settings };
    const shop = await start({ ...files(config), ...secrets }, { ENVIRONMENT: "test" }, t);
    const values = valuesIn(canaries.secrets, config);
    assertNothingLeaked(values, await collect(shop));
    assert.match(await shop.logs(), /\[KEY\]/);
  });

  test("and that was handed its login by variables is clean in /proc/1/environ when it is hardened", async (t) => {
    const key = canary();
    const fake = await startFakeInfisical({ folders: { "/": { key } } });
    t.after(() => fake.close());
    const source = { provider: "infisical", environment: "prod" };
    const config = { app: "./app.mjs", harden: true, secrets: { test: source }, settings: { KEY: "key" } };
    const shop = await start(files(config), { ENVIRONMENT: "test", ...fake.bootstrap }, t);
    const evidence = await collect(shop);
    // The engine remembers what it was told; the process does not.
    assert.ok(evidence.get("docker inspect")?.includes(fake.bootstrap.INFISICAL_CLIENT_SECRET as string));
    evidence.delete("docker inspect");
    assertNothingLeaked([key, fake.bootstrap.INFISICAL_CLIENT_SECRET as string], evidence);
    assert.equal(await shop.stop(10), 0, "it is still PID 1, and hears the signal");
  });
});

function files(config: object): Record<string, string> {
  const withoutDelay = { drainDelay: "0s", ...config };
  return {
    "sallyport.config.json": JSON.stringify(withoutDelay),
    "app.mjs": TALKATIVE,
    "quote.mjs": QUOTE,
  };
}

async function start(laid: Record<string, string>, env: Record<string, string>, t: TestContext) {
  const folder = await layFiles(laid);
  t.after(() => rm(folder, { recursive: true }));
  const options: ContainerOptions = { network: "host", env, volumes: [`${folder}:/app:ro`] };
  const shop = await Container.start(options);
  t.after(() => shop.remove());
  await shop.whenLogged("boot.completed");
  return shop;
}

async function collect(shop: Container): Promise<Evidence> {
  const places = {
    "docker logs": await shop.logs(),
    "docker inspect": await docker("inspect", shop.name),
    "docker top": await docker("top", shop.name, "auxe"),
    "docker diff": await docker("diff", shop.name),
    "/proc of PID 1 and its children": String(await shop.evaluate(READ)),
    "/dev/shm": String(await shop.evaluate(FILES)),
  };
  return new Map(Object.entries(places).map(([place, text]) => [place, Buffer.from(text)]));
}
