/** The drivers that leak: each with every fault, and each shown in every way in which apps show errors and pools. */
import assert from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";
import { after, before, suite, test } from "node:test";
import { guest, runBundle } from "./bundle.ts";
import { canary } from "./canaries.ts";

/** How each server refuses a login, byte by byte. */
const REFUSALS: Readonly<Record<string, (socket: Socket, password: string) => void>> = {
  // https://www.postgresql.org/docs/current/protocol-message-formats.html
  pg: (socket) =>
    socket.once("data", () => socket.end(postgresError("28P01", "password authentication failed"))),
  // A greeting of protocol 10, then error 1045. https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html
  mysql2: (socket) => {
    socket.write(mysqlPacket(0, GREETING));
    socket.once("data", () =>
      socket.end(
        mysqlPacket(2, Buffer.concat([Buffer.from([0xff, 0x15, 0x04]), Buffer.from("#28000Access denied")])),
      ),
    );
  },
  redis: (socket) =>
    socket.on("data", (data) => {
      // One answer to each command of a pipeline.
      const commands = data.toString("latin1").match(/^\*\d+\r$/gm)?.length ?? 1;
      socket.write("-WRONGPASS invalid username-password pair or user is disabled.\r\n".repeat(commands));
    }),
  // An answer that quotes what it was asked, as no vendor should.
  aws: (socket, password) =>
    socket.once("data", () => {
      const body = JSON.stringify({ __type: "InvalidClientTokenId", message: `not ${password}` });
      socket.end(
        `HTTP/1.1 403 Forbidden\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      );
    }),
};

const GREETING = Buffer.concat([
  Buffer.from([10]),
  Buffer.from("8.0.36\0"),
  Buffer.from([1, 0, 0, 0]),
  Buffer.from("abcdefgh\0"),
  Buffer.from([0xff, 0xff, 0x21, 0x02, 0x00, 0xff, 0xdf, 0x15]),
  Buffer.alloc(10),
  Buffer.from("ijklmnopqrst\0mysql_native_password\0"),
]);

function mysqlPacket(sequence: number, payload: Buffer): Buffer {
  const head = Buffer.from([payload.length & 0xff, payload.length >> 8, 0, sequence]);
  return Buffer.concat([head, payload]);
}

function postgresError(code: string, message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${message}\0\0`);
  const size = Buffer.alloc(4);
  size.writeInt32BE(fields.length + 4);
  return Buffer.concat([Buffer.from("E"), size, fields]);
}

interface Subject {
  readonly scheme: string;
  readonly refusal: keyof typeof REFUSALS;
  /** Which error each fault ends with, so that no fault is another one in disguise. */
  readonly expected: Readonly<Record<Fault, RegExp>>;
}

type Fault = "wrong password" | "wrong URL" | "refused" | "timed out";

const URL_FAULT = /ERR_INVALID_URL|TypeError/;
const redis = (timedOut: RegExp): Subject => ({
  scheme: "redis",
  refusal: "redis",
  expected: {
    "wrong password": /WRONGPASS/,
    "wrong URL": /.*/,
    refused: /ECONNREFUSED|MaxRetries/,
    "timed out": timedOut,
  },
});
const SUBJECTS: Readonly<Record<string, Subject>> = {
  pg: {
    scheme: "postgres",
    refusal: "pg",
    expected: {
      "wrong password": /28P01/,
      "wrong URL": URL_FAULT,
      refused: /ECONNREFUSED/,
      "timed out": /Error/,
    },
  },
  mysql2: {
    scheme: "mysql",
    refusal: "mysql2",
    expected: {
      "wrong password": /ER_ACCESS_DENIED_ERROR/,
      "wrong URL": URL_FAULT,
      refused: /ECONNREFUSED/,
      "timed out": /ETIMEDOUT/,
    },
  },
  ioredis: redis(/ETIMEDOUT|Error/),
  redis: redis(/Error/),
  redis6: redis(/Error/),
  aws: {
    scheme: "http",
    refusal: "aws",
    expected: {
      "wrong password": /InvalidClientTokenId/,
      "wrong URL": /.*/,
      refused: /ECONNREFUSED/,
      "timed out": /TimeoutError|ETIMEDOUT/,
    },
  },
};

const servers: Server[] = [];
let silent: number;
before(async () => {
  silent = await listen((socket) => void socket.on("error", () => {}).resume());
});
after(() => {
  for (const server of servers) server.close();
});

function listen(onConnection: (socket: Socket) => void): Promise<number> {
  const server = createServer(onConnection).unref();
  servers.push(server);
  return new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port)),
  );
}

async function addressOf({ scheme, refusal }: Subject, fault: Fault, password: string): Promise<string> {
  const login = `app:${encodeURIComponent(password)}`;
  // Not encoded, as people paste it, and with a port that is none.
  if (fault === "wrong URL") return `${scheme}://app:${password}@127.0.0.1:port/0`;
  if (fault === "refused") return `${scheme}://${login}@127.0.0.1:1/0`;
  if (fault === "timed out") return `${scheme}://${login}@127.0.0.1:${silent}/0`;
  const answer = REFUSALS[refusal] as (typeof REFUSALS)[string];
  const port = await listen((socket) =>
    answer(
      socket.on("error", () => {}),
      password,
    ),
  );
  return `${scheme}://${login}@127.0.0.1:${port}/0`;
}

for (const [driver, subject] of Object.entries(SUBJECTS)) {
  suite(`nothing of ${driver} shows the password`, { concurrency: 2 }, () => {
    for (const fault of Object.keys(subject.expected) as Fault[]) {
      for (const way of ["logged", "uncaught", "unhandled"]) {
        test(`${fault}, ${way}`, async () => {
          const password = canary();
          const exit = await runBundle({
            config: { app: guest("drivers.mjs"), settings: { URL: "app/url", SECRET: "app/secret" } },
            secrets: { "app/url": await addressOf(subject, fault, password), "app/secret": password },
            canaries: [password],
            args: ["run", guest("drivers.mjs"), driver, way],
          });
          const [, found = ""] = /^failed as (.*)$/m.exec(exit.stdout) ?? [];
          assert.match(found, subject.expected[fault], exit.stdout + exit.stderr);
          assert.equal(exit.code, way === "logged" ? 0 : 70, exit.stderr);
          assert.match(exit.stdout + exit.stderr, way === "logged" ? /all shown/ : /APP_(CRASHED|FAILED)/);
        });
      }
    }
  });
}
