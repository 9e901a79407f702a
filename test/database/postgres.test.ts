/** Connections to PostgreSQL that do not come about. */
import assert from "node:assert/strict";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { openDatabase } from "../../entrypoint/database/database.ts";

const SOON_MS = 2_000;

test("a server that takes a connection and says nothing is given up at the signal, and the connection is closed", async () => {
  const taken: Socket[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => {}).resume();
    taken.push(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const readText = () => `postgres://user:password@127.0.0.1:${port}/shop`;
  const database = await openDatabase({ url: "URL" }, { readText, directory: "/", log: () => {} });
  const started = performance.now();
  await assert.rejects(database.connect(AbortSignal.timeout(300)), {
    code: "DATABASE_UNREACHABLE",
    message: /no answer/,
  });
  assert.ok(performance.now() - started < SOON_MS, "it is not waited for");
  // It ends only when nobody is connected any more.
  await new Promise((resolve) => server.close(resolve));
  assert.equal(taken.length, 1);
});
