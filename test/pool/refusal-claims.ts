/** What must not happen when the new credentials, or their server, are no good: anything. */
import assert from "node:assert/strict";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { inspect } from "node:util";
import type { SallyportError } from "../../entrypoint/errors.ts";
import { freePort } from "../servers/postgres.ts";
import { assertOnly, define, eventually, type House, openHouse, PATIENCE_MS } from "./rotate.ts";
import type { Stage, Subject } from "./subjects.ts";

const CANARY = "canary-of-a-password";

export function refusalClaims(subject: Subject, stageOf: () => Stage): void {
  /** Refused, for this reason, and everything is as it was. */
  const refuses = async (house: House, url: string, why: RegExp, signal?: AbortSignal) => {
    const stage = stageOf();
    const handle = house.pools.add(define(subject));
    assert.equal(await subject.ask(handle), "app_a");
    const error = await house.prepare(url, signal).then(
      () => assert.fail("it was not refused"),
      (it: SallyportError) => it,
    );
    assert.equal(error.code, "CREDENTIALS_REFUSED", inspect(error));
    assert.equal(error.problems[0]?.subject, subject.kind);
    assert.match(error.problems[0]?.message ?? "", why);
    assert.doesNotMatch(inspect([error, house.lines], { depth: 9, showHidden: true }), new RegExp(CANARY));
    assert.equal(await subject.ask(handle), "app_a");
    assert.deepEqual(house.pools.draining(), []);
    await assertOnly(stage, ["app_a"]);
    await house.pools.close(AbortSignal.timeout(PATIENCE_MS));
    await assertOnly(stage, []);
  };

  test("a wrong password is refused, and nothing has changed", async () => {
    const stage = stageOf();
    await using house = openHouse(stage.url("app_a"));
    await refuses(house, stage.url("app_b", CANARY), /the server refused the login/);
  });

  test("an address at which nobody listens is refused", async () => {
    const stage = stageOf();
    const url = Object.assign(new URL(stage.url("app_b", CANARY)), { port: String(await freePort()) }).href;
    await using house = openHouse(stage.url("app_a"));
    await refuses(house, url, /the server can't be reached \(ECONNREFUSED\)/);
  });

  test("a server that accepts and says nothing is left at the signal, and no socket stays", async () => {
    const stage = stageOf();
    await using silent = await startSilent();
    const url = Object.assign(new URL(stage.url("app_b", CANARY)), { port: String(silent.port) }).href;
    const signal = AbortSignal.timeout(300);
    await using house = openHouse(stage.url("app_a"));
    await refuses(house, url, /did not answer in time/, signal);
    assert.ok(silent.accepted() > 0);
    await eventually(() => silent.open() === 0, "its sockets are closed");
  });

  test("what was prepared and is not wanted any more leaves nothing", async () => {
    const stage = stageOf();
    await using house = openHouse(stage.url("app_a"));
    const { pools, prepare } = house;
    const handle = pools.add(define(subject));
    await subject.ask(handle);
    const prepared = await prepare(stage.url("app_b"));
    assert.ok((await stage.connections()).includes("app_b"));
    await prepared.discard();
    await assertOnly(stage, ["app_a"]);
    assert.equal(await subject.ask(handle), "app_a");
    await pools.close(AbortSignal.timeout(PATIENCE_MS));
  });

  test("a probe logs in freshly, tells who it was, and leaves nothing", async () => {
    const stage = stageOf();
    await using house = openHouse(stage.url("app_a"));
    const { pools } = house;
    pools.add(define(subject));
    const ask = (url: string) => pools.probe({ URL: url }, AbortSignal.timeout(PATIENCE_MS));
    const [good] = await ask(stage.url("app_b"));
    assert.deepEqual({ ...good, ms: 0 }, { name: subject.kind, user: "app_b", ok: true, ms: 0 });
    const [bad] = await ask(stage.url("app_b", CANARY));
    assert.equal(bad?.ok, false);
    assert.match(bad?.problem ?? "", subject.refusal);
    await pools.close(AbortSignal.timeout(PATIENCE_MS));
    await assertOnly(stage, []);
  });
}

async function startSilent() {
  const sockets = new Set<Socket>();
  let accepted = 0;
  const server = createServer((socket) => {
    accepted++;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    // Read, or the end of the other side would not be seen.
    socket.resume();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    accepted: () => accepted,
    open: () => sockets.size,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
