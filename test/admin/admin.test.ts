import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, stat, writeFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type Admin, openAdmin } from "../../entrypoint/admin/admin.ts";
import { createHealth } from "../../entrypoint/admin/health.ts";
import type { CheckResult } from "../../entrypoint/app/checks.ts";
import { healthcheck } from "../../entrypoint/healthcheck.ts";
import { createStatus, enter, type Status } from "../../entrypoint/status.ts";
import { makeFolder } from "../folder.ts";

const TOKEN = "t0ken-of-the-operator";

interface Opened extends AsyncDisposable {
  readonly admin: Admin;
  readonly status: Status;
  readonly socket: string;
  readonly warnings: string[];
}

async function open(
  more: { socket?: string; port?: number; checks?: Record<string, CheckResult> } = {},
): Promise<Opened> {
  const socket = more.socket ?? join(makeFolder(), "a.sock");
  const status = createStatus();
  const warnings: string[] = [];
  const admin = await openAdmin({
    config: { socket, listen: { host: "127.0.0.1", port: more.port ?? 0 }, token: "TOKEN" },
    cwd: "/nowhere",
    log: (_level, event) => void warnings.push(event),
    token: () => TOKEN,
    ...createHealth(status, async () => more.checks ?? {}),
    secretsStatus: async () => ({ status: 200, body: {} }),
    refresh: async (by) => ({ status: 200, body: { by } }),
  });
  return { admin, status, socket, warnings, [Symbol.asyncDispose]: admin.close };
}

interface Asked {
  readonly path: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
}

function ask(
  target: { socketPath: string } | { port: number },
  { path, method = "GET", headers = {} }: Asked,
) {
  return new Promise<{
    status: number;
    body: string;
    json: () => { error?: { code: string } } & Record<string, unknown>;
  }>((resolve, reject) => {
    const outgoing = request(
      { ...target, host: "127.0.0.1", path, method, headers, agent: false },
      async (incoming) => {
        const body = (await incoming.setEncoding("utf8").toArray()).join("");
        resolve({ status: incoming.statusCode ?? 0, body, json: () => JSON.parse(body) });
      },
    );
    outgoing.on("error", reject).end();
  });
}

describe("/health", () => {
  test("is 503 until ready, then 200, and 503 again while stopping", async () => {
    await using opened = await open();
    const { status, socket } = opened;
    const seen: unknown[] = [];
    for (const phase of ["fetch", "ready", "stopping", "failed"] as const) {
      enter(status, phase);
      const ready = await ask({ socketPath: socket }, { path: "/health" });
      const live = await ask({ socketPath: socket }, { path: "/health?live" });
      seen.push([phase, ready.status, live.status, ready.json().phase]);
    }
    assert.deepEqual(seen, [
      ["fetch", 503, 200, "fetch"],
      ["ready", 200, 200, "ready"],
      ["stopping", 503, 200, "stopping"],
      ["failed", 503, 503, "failed"],
    ]);
  });

  test("depends on the app's checks when ready, but liveness does not", async () => {
    await using opened = await open({
      checks: { database: { ok: false, ms: 3 }, queue: { ok: true, ms: 0 } },
    });
    enter(opened.status, "ready");
    const answer = await ask({ socketPath: opened.socket }, { path: "/health" });
    assert.equal(answer.status, 503);
    assert.deepEqual(answer.json().checks, { database: false, queue: true });
    assert.equal((await ask({ socketPath: opened.socket }, { path: "/health?live" })).status, 200);
  });
});

test("/secrets/health says when, from where and how many, once the fetch is done", async () => {
  await using opened = await open();
  assert.equal((await ask({ socketPath: opened.socket }, { path: "/secrets/health" })).status, 503);
  const fetched = {
    at: "2026-01-01T00:00:00Z",
    provider: "p",
    identity: "i",
    settings: 3,
    secrets: 2,
    requests: 1,
  };
  opened.status.fetched = fetched;
  const answer = await ask({ socketPath: opened.socket }, { path: "/secrets/health" });
  assert.equal(answer.status, 200);
  const { identity: _, ...shown } = fetched;
  assert.deepEqual(answer.json(), { fetched: true, phase: "config", ...shown });
});

describe("over TCP", () => {
  test("/health and /secrets/health are open", async () => {
    await using opened = await open();
    for (const path of ["/health", "/secrets/health"]) {
      assert.equal((await ask({ port: opened.admin.port as number }, { path })).status, 503);
    }
  });

  const refused: [string, Record<string, string>, number, string][] = [
    ["no token", {}, 401, "TOKEN_REFUSED"],
    ["a wrong token", { authorization: "Bearer wrong" }, 401, "TOKEN_REFUSED"],
    ["a longer token", { authorization: `Bearer ${TOKEN}x` }, 401, "TOKEN_REFUSED"],
    ["another scheme", { authorization: `Basic ${TOKEN}` }, 401, "TOKEN_REFUSED"],
    [
      "the right token through a proxy",
      { authorization: `Bearer ${TOKEN}`, "x-forwarded-for": "1.2.3.4" },
      403,
      "FORWARDED_REFUSED",
    ],
    ["the right token", { authorization: `Bearer ${TOKEN}` }, 404, "ROUTE_UNKNOWN"],
  ];
  for (const [what, headers, status, code] of refused) {
    test(`anything else with ${what} is ${status} ${code}`, async () => {
      await using opened = await open();
      const answer = await ask({ port: opened.admin.port as number }, { path: "/secrets/anything", headers });
      assert.equal(answer.status, status);
      assert.equal(answer.json().error?.code, code);
      assert.ok(!answer.body.includes(TOKEN));
    });
  }
});

test("what an operator may ask needs the token over TCP and none on the socket, and only POST refreshes", async () => {
  await using opened = await open();
  const socket = { socketPath: opened.socket };
  const tcp = { port: opened.admin.port as number };
  const authorized = { authorization: `Bearer ${TOKEN}` };
  for (const [path, method] of [
    ["/secrets/status", "GET"],
    ["/secrets/refresh", "POST"],
  ] as const) {
    assert.equal((await ask(tcp, { path, method })).status, 401);
    assert.equal((await ask(tcp, { path, method, headers: authorized })).status, 200);
    assert.equal((await ask(socket, { path, method })).status, 200);
  }
  const path = "/secrets/refresh";
  assert.equal((await ask(socket, { path })).json().error?.code, "METHOD_REFUSED");
  assert.deepEqual((await ask(socket, { path, method: "POST" })).json(), { by: "socket" });
  assert.deepEqual((await ask(tcp, { path, method: "POST", headers: authorized })).json(), { by: "tcp" });
});

test("unknown routes and methods have one shape of error; HEAD has no body", async () => {
  await using opened = await open();
  const at = { socketPath: opened.socket };
  assert.deepEqual((await ask(at, { path: "/__proto__" })).json(), {
    error: { code: "ROUTE_UNKNOWN", message: "the admin server has no such route", problems: [] },
  });
  assert.equal((await ask(at, { path: "/health", method: "POST" })).json().error?.code, "METHOD_REFUSED");
  const head = await ask(at, { path: "/health", method: "HEAD" });
  assert.deepEqual([head.status, head.body], [503, ""]);
});

describe("the socket", () => {
  test("can be opened by its owner only, from its first moment", async () => {
    await using opened = await open();
    assert.equal((await stat(opened.socket)).mode & 0o777, 0o600);
  });

  test("of a process that was killed is taken over", async () => {
    const socket = join(makeFolder(), "a.sock");
    const script = `require("node:net").createServer().listen(${JSON.stringify(socket)}, () => console.log("up"))`;
    const dead = spawn(process.execPath, ["-e", script]);
    await once(dead.stdout, "data");
    dead.kill("SIGKILL");
    await once(dead, "exit");
    await using opened = await open({ socket });
    assert.equal((await ask({ socketPath: opened.socket }, { path: "/health" })).status, 503);
  });

  test("of a process that lives is not", async () => {
    await using first = await open();
    await assert.rejects(open({ socket: first.socket }), {
      code: "ADMIN_UNAVAILABLE",
      message: /another Sallyport is running here/,
    });
    assert.equal((await ask({ socketPath: first.socket }, { path: "/health" })).status, 503);
  });

  test("that the config names and that can't be made is an error", async () => {
    await assert.rejects(open({ socket: "/nowhere/at/all.sock" }), {
      code: "ADMIN_UNAVAILABLE",
      message: /uid \d+ can't make/,
    });
    await assert.rejects(open({ socket: `/tmp/${"x".repeat(120)}` }), { code: "ADMIN_UNAVAILABLE" });
  });

  test("is not left behind when the TCP address can't be opened", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const socket = join(makeFolder(), "a.sock");
    const { port } = taken.address() as { port: number };
    await assert.rejects(open({ socket, port }), { code: "ADMIN_UNAVAILABLE", message: /EADDRINUSE/ });
    await assert.rejects(stat(socket), { code: "ENOENT" });
    taken.close();
  });
});

describe("whoever holds a connection and does not read", () => {
  const DOOR_HOLDS = 100;
  const hold = async (port: number, text: string) => {
    const held = Array.from({ length: DOOR_HOLDS }, () => connect(port, "127.0.0.1"));
    for (const socket of held) socket.on("error", () => {}).pause();
    await Promise.all(held.map((socket) => once(socket, "connect")));
    for (const socket of held) socket.write(text);
    return { [Symbol.dispose]: () => void held.map((socket) => socket.destroy()) };
  };
  const wrong: [string, string][] = [
    ["after something that is not HTTP", "\0\0\r\n\r\n"],
    ["in the middle of a request", "GET /hea"],
  ];
  for (const [what, text] of wrong) {
    test(`${what} does not keep others out for long`, async () => {
      await using opened = await open();
      const port = opened.admin.port as number;
      using _held = await hold(port, text);
      const answers = async () => (await ask({ port }, { path: "/secrets/health" })).status;
      const deadline = performance.now() + 20_000;
      while ((await answers().catch(() => 0)) !== 503) {
        assert.ok(performance.now() < deadline, "the door is open again");
        await delay(50);
      }
    });
  }
});

describe("healthcheck", () => {
  test("asks the first socket that answers", async () => {
    await using opened = await open();
    const sockets = ["/nowhere/a.sock", opened.socket];
    assert.equal((await healthcheck(sockets, false)).healthy, false);
    assert.equal((await healthcheck(sockets, true)).healthy, true);
    enter(opened.status, "ready");
    const result = await healthcheck(sockets, false);
    assert.equal(result.healthy, true);
    assert.match(result.message, /"phase":"ready"/);
  });

  test("is unhealthy, and says where it looked, when nothing answers", async () => {
    const folder = makeFolder();
    await writeFile(join(folder, "file.sock"), "");
    await mkdir(join(folder, "closed"));
    await chmod(join(folder, "closed"), 0);
    const { healthy, message } = await healthcheck(
      [join(folder, "file.sock"), join(folder, "none.sock")],
      true,
    );
    assert.equal(healthy, false);
    assert.match(message, /none\.sock/);
  });
});
