import assert from "node:assert/strict";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { type HttpOptions, request } from "../entrypoint/http.ts";
import { CERTIFICATE, KEY } from "./fakes/certificate.ts";
import { startFake } from "./fakes/server.ts";

const options = (more: Partial<HttpOptions> = {}): HttpOptions => ({
  target: "the manager",
  signal: AbortSignal.timeout(5_000),
  log: () => {},
  ...more,
});

const fakeAnswering = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  startFake({
    name: () => "call",
    throttled: { status: 429, body: "" },
    answer: () => ({ status, body, headers }),
  });

test("an answer comes back whatever its status, unless the status may pass", async () => {
  for (const status of [200, 301, 400, 404]) {
    await using fake = await fakeAnswering(status, "text");
    const response = await request({ method: "GET", url: new URL(fake.url) }, options());
    assert.deepEqual([response.status, response.body], [status, "text"]);
  }
});

for (const status of [408, 429, 500, 503]) {
  test(`${status} is tried again`, async () => {
    await using fake = await fakeAnswering(200, "fine");
    fake.fail(() => ({ status, body: "", headers: { "retry-after": "0" } }));
    assert.equal((await request({ method: "GET", url: new URL(fake.url) }, options())).body, "fine");
    assert.equal(fake.requests.length, 2);
  });
}

test("Retry-After is obeyed as seconds and as a date", async () => {
  for (const value of ["7", new Date(Date.now() + 8_000).toUTCString()]) {
    await using fake = await fakeAnswering(200, "fine");
    fake.fail(() => ({ status: 429, body: "", headers: { "retry-after": value } }));
    const waited: number[] = [];
    const sleep = async (ms: number) => void waited.push(ms);
    await request({ method: "GET", url: new URL(fake.url) }, options({ sleep, random: () => 0 }));
    assert.ok((waited[0] ?? 0) > 5_000, `waited ${waited[0]}`);
  }
});

test("an answer of over 16 MiB is not read to its end", async () => {
  await using fake = await fakeAnswering(200, "x".repeat(17 * 1024 * 1024));
  const message = { method: "GET", url: new URL(fake.url) } as const;
  await assert.rejects(request(message, options({ signal: AbortSignal.timeout(500) })), {
    message: /over 16 MiB/,
  });
});

test("a body is sent as it is", async () => {
  await using fake = await fakeAnswering(200, "fine");
  await request(
    { method: "POST", url: new URL(fake.url), body: '{"a":"é"}', headers: { "x-a": "b" } },
    options(),
  );
  assert.equal(fake.requests[0]?.body, '{"a":"é"}');
  assert.equal(fake.requests[0]?.headers["x-a"], "b");
});

test("a certificate that can't be trusted is said at once, with the way out", async () => {
  const server = createServer({ key: KEY, cert: CERTIFICATE }, (_, response) => response.end());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const url = new URL(`https://127.0.0.1:${(server.address() as AddressInfo).port}`);
    await assert.rejects(request({ method: "GET", url }, options()), {
      code: "MANAGER_UNREACHABLE",
      hint: /NODE_EXTRA_CA_CERTS/,
    });
  } finally {
    server.close();
    server.closeAllConnections();
  }
});
