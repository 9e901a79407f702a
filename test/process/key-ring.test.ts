/** The example of two keys at once does what it says, over two rotations. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startFakeAws } from "../fakes/aws.ts";
import { freePort } from "../servers/postgres.ts";
import { ask, type Bundle, startBundle } from "./bundle.ts";

const EXAMPLE = new URL("../../docker/example/key-ring/", import.meta.url);
const key = (kid: string) =>
  JSON.stringify({ jwt_key: JSON.stringify({ kid, secret: `${kid}-canary-secret` }) });

test("tokens of the key before verify after a rotation, and no longer after the next", async () => {
  const port = await freePort();
  await using aws = await startFakeAws({
    secrets: { "shop/production/auth": key("first"), "shop/production/app": JSON.stringify({ port }) },
  });
  await using bundle = startBundle({
    files: {
      "sallyport.config.json": readFileSync(new URL("sallyport.config.json", EXAMPLE), "utf8"),
      "server.mjs": readFileSync(fileURLToPath(new URL("server.mjs", EXAMPLE)), "utf8"),
    },
    env: { ...aws.env, ENVIRONMENT: "production" },
  });
  const get = async (path: string, token = "") => {
    const { status, text } = await ask({
      host: "127.0.0.1",
      port: await bundle.port(),
      path,
      headers: { authorization: `Bearer ${token}` },
    });
    return { status, body: JSON.parse(text) };
  };
  const rotateTo = async (kid: string) => {
    aws.put("shop/production/auth", key(kid));
    assert.deepEqual(await changed(bundle), ["JWT_KEYS"]);
  };
  const { token } = (await get("/login")).body;
  assert.equal((await get("/", token)).body.sub, "ada");
  assert.equal((await get("/", `${token}x`)).status, 401);
  await rotateTo("second");
  assert.equal((await get("/login")).body.kid, "second");
  assert.equal((await get("/", token)).status, 200);
  await rotateTo("third");
  assert.equal((await get("/", token)).status, 401);
  assert.match(bundle.stderr, /signing with another key.*"kid":"third"/);
});

async function changed(bundle: Bundle): Promise<string[]> {
  const { text } = await bundle.admin("/secrets/refresh", "POST");
  return JSON.parse(text).changed;
}
