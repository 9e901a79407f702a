/** A vendor's API as a real HTTP server on loopback, with faults that a test scripts. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

export interface Recorded {
  /** The vendor's name of the call, for example `GetSecretValue`. */
  readonly call: string;
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export interface Reply {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Record<string, string>;
}

/** Faults below the vendor's API; what a throttled or denied call looks like, each fake knows for itself. */
export type Fault = "hang" | "cut" | "garbage" | "error" | "throttle" | "reset";

interface Scripted {
  readonly fault: Fault | ((request: Recorded) => Reply);
  readonly call: string | undefined;
  times: number;
}

export interface Fake {
  readonly url: string;
  readonly requests: Recorded[];
  /** The next `times` calls (only those named `call`, if given) fail like this. */
  fail(fault: Scripted["fault"], options?: { times?: number; call?: string }): void;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface FakeDefinition {
  name(request: Omit<Recorded, "call">): string;
  answer(request: Recorded): Reply;
  throttled: Reply;
}

export async function startFake({ name, answer, throttled }: FakeDefinition): Promise<Fake> {
  const requests: Recorded[] = [];
  const script: Scripted[] = [];
  const sockets = new Set<Socket>();

  const server = createServer(async (incoming, response) => {
    const { method = "", headers } = incoming;
    const url = new URL(incoming.url ?? "/", "http://fake");
    const request = { method, url, headers, body: await read(incoming) };
    const recorded = { call: name(request), ...request };
    requests.push(recorded);
    const next = script.find(
      ({ call, times }) => times > 0 && (call === undefined || call === recorded.call),
    );
    if (next) next.times--;
    if (typeof next?.fault === "function") return send(response, next.fault(recorded));
    if (next?.fault === "throttle") return send(response, throttled);
    if (next) return misbehave(next.fault, response, answer(recorded));
    send(response, answer(recorded));
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

  const close = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    fail: (fault, { times = 1, call } = {}) => void script.push({ fault, call, times }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function read(incoming: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of incoming.setEncoding("utf8")) body += chunk;
  return body;
}

function send(response: ServerResponse, { status, body, headers }: Reply): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(typeof body === "string" ? body : JSON.stringify(body));
}

function misbehave(fault: Fault, response: ServerResponse, reply: Reply): void {
  const text = JSON.stringify(reply.body);
  switch (fault) {
    case "hang":
      return;
    case "reset":
      response.socket?.destroy();
      return;
    case "cut":
      // The values are in the half that arrives, so a parser's message would quote them.
      response.writeHead(200, {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(text) + 1,
      });
      response.write(text, () => response.socket?.destroy());
      return;
    case "garbage":
      // A whole answer, with the values in it, that is not JSON.
      send(response, { status: 200, body: `${text}<html>` });
      return;
    default:
      send(response, { status: 500, body: `${text} fell over` });
  }
}
