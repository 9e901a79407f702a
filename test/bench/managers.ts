/** Secrets managers on loopback, in a process of their own, so that they take no time from whom we measure. Prints what a container needs to reach them. */
import { createServer, connect as openConnection, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { startFakeAws } from "../fakes/aws.ts";
import { startFakeInfisical } from "../fakes/infisical.ts";

const [count = 1, latencyMs = 0] = process.argv.slice(2).map(Number);

const indices = Array.from({ length: count }, (_, index) => index);
const aws = await startFakeAws({
  secrets: Object.fromEntries(
    indices.map((i) => [`shop/bench/s${i}`, JSON.stringify({ value: secretAt(i) })]),
  ),
});
const infisical = await startFakeInfisical({
  folders: { "/bench": Object.fromEntries(indices.map((i) => [`s${i}`, secretAt(i)])) },
});
const awsUrl = await slowDown(aws.url);
const infisicalUrl = await slowDown(infisical.url);
console.log(
  JSON.stringify({
    aws: JSON.parse(JSON.stringify(aws.env).replaceAll(aws.url, awsUrl)),
    infisical: { ...infisical.bootstrap, INFISICAL_URL: infisicalUrl },
  }),
);

function secretAt(index: number): string {
  return `value-${index}-of-the-benchmark`;
}

/** A way to the same server on which each answer takes longer. */
async function slowDown(url: string): Promise<string> {
  if (latencyMs === 0) return url;
  const { port } = new URL(url);
  const proxy = createServer((near) => {
    const far = openConnection(Number(port), "127.0.0.1");
    pipeTo(near, far, 0);
    pipeTo(far, near, latencyMs);
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(proxy.address() as { port: number }).port}`;
}

function pipeTo(from: Socket, to: Socket, ms: number): void {
  from.setNoDelay(true);
  let last = Promise.resolve();
  const inOrder = (work: () => void) => {
    const due = delay(ms);
    last = last.then(() => due).then(work);
  };
  from.on("data", (chunk) => inOrder(() => to.write(chunk)));
  from.on("close", () => inOrder(() => to.end()));
  from.on("error", () => to.destroy());
}
