/** The probe: asks the admin socket with `node:net`, because it runs every few seconds and must cost little more than Node itself. */
import { existsSync } from "node:fs";
import { connect } from "node:net";

/** How long the container may take to answer; Docker's and ECS's own limits start at 2 s and more. */
const TIMEOUT_MS = 4_000;

export interface ProbeResult {
  readonly healthy: boolean;
  readonly answered: boolean;
  /** One line for `docker inspect`, which keeps what a probe prints. */
  readonly message: string;
}

/** Asks the first socket that is there. With `live`, a boot that makes progress is enough. */
export async function healthcheck(sockets: readonly string[], live: boolean): Promise<ProbeResult> {
  for (const path of sockets.filter((path) => existsSync(path))) {
    const answer = await ask(path, live ? "/health?live" : "/health");
    if (answer) return { healthy: answer.status === 200, answered: true, message: answer.body.trim() };
  }
  return {
    healthy: false,
    answered: false,
    message: `no Sallyport answers on ${sockets.join(", ")}; is it running, in this working directory?`,
  };
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

function ask(path: string, target: string): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    let received = "";
    const socket = connect(path, () => socket.write(`GET ${target} HTTP/1.0\r\n\r\n`));
    socket.setEncoding("utf8");
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy());
    socket.on("data", (chunk) => {
      received += chunk;
      // The end of the connection would come a turn or two later.
      if (isWhole(received)) resolve(parse(received));
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(parse(received)));
  });
}

function isWhole(received: string): boolean {
  const [head = "", body] = received.split("\r\n\r\n", 2);
  const length = /^content-length: (\d+)/im.exec(head)?.[1];
  return body !== undefined && length !== undefined && Buffer.byteLength(body) >= Number(length);
}

function parse(received: string): Answer | undefined {
  const match = /^HTTP\/1\.\d (\d{3})[\s\S]*?\r\n\r\n([\s\S]*)$/.exec(received);
  return match ? { status: Number(match[1]), body: match[2] as string } : undefined;
}
