/** A stop before the app is ready: prompt in every phase, with nothing left behind. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startFakeAws } from "../fakes/aws.ts";
import { aws, lastLine, startBundle } from "./refusal.ts";

describe("128 + n", () => {
  // Each says when it has come so far, and then never ends.
  const forever = `(console.log("hanging"), new Promise((resolve) => setTimeout(resolve, 1e8)))`;
  const configWith = (settings: string, app: string) =>
    `export default { secrets: { test: { provider: "files", directory: "." } }, settings: ${settings}, app: "${app}" }`;
  const validator = `{ "~standard": { version: 1, vendor: "slow", validate: () => ${forever} } }`;
  const hanging = {
    config: `await ${forever}`,
    settings: configWith(`{ KEY: { from: "key", type: ${validator} } }`, "./app.mjs"),
    app: configWith("{}", "./hangs.mjs"),
  };
  for (const [phase, config] of Object.entries(hanging)) {
    test(`a stop in phase ${phase} exits 143 at once and leaves nothing behind`, async () => {
      const hangs = `export const start = () => ${forever}`;
      await using bundle = startBundle({
        files: { "sallyport.config.mjs": config, key: "v", "hangs.mjs": hangs },
      });
      await bundle.output(/hanging/);
      bundle.kill("SIGTERM");
      const exit = await bundle.exit;
      assert.equal(exit.code, 143, exit.stderr);
      assert.match(lastLine(exit), new RegExp(`SIGTERM in phase ${phase}`));
      assert.equal(bundle.socket(), undefined);
    });
  }

  for (const [phase, call] of [
    ["identity", "/credentials"],
    ["fetch", "GetSecretValue"],
  ] as const) {
    test(`a stop in phase ${phase}, with the other side hanging, exits 130 for SIGINT`, async () => {
      await using fake = await startFakeAws({ secrets: { "shop/app": '{"key":"x"}' } });
      fake.fail("hang", { times: 1000, call });
      await using bundle = startBundle({ config: { ...aws(), bootTimeout: "60s" }, env: fake.env });
      while (!fake.requests.some((it) => it.call === call)) await delay(10);
      bundle.kill("SIGINT");
      const exit = await bundle.exit;
      assert.equal(exit.code, 130, exit.stderr);
      assert.match(lastLine(exit), new RegExp(`SIGINT in phase ${phase}`));
      assert.equal(bundle.socket(), undefined);
    });
  }
});
