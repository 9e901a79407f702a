// `npm start`: the production path on one machine. Only AWS is a stand-in: a loopback Secrets Manager and the endpoint
// from which ECS hands a task its credentials. Bundle, SDK, config and app are the real ones.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startFakeAws } from "../../test/fakes/aws.ts";

const ENTRYPOINT = fileURLToPath(new URL("../../dist/entrypoint.mjs", import.meta.url));
const EXAMPLE = fileURLToPath(new URL(".", import.meta.url));
const random = () => randomBytes(12).toString("hex");

const port = (await isFree(8080)) ? 8080 : await anyFreePort();
const aws = await startFakeAws({
  secrets: {
    "shop/production/database": JSON.stringify({ url: `postgres://shop:${random()}@db.internal/shop` }),
    "shop/production/app": JSON.stringify({ log_level: "info", port }),
    "shop/production/features": JSON.stringify({ payments: "true" }),
    "shop/production/stripe": JSON.stringify({ secret_key: `sk_live_${random()}` }),
  },
});

// Nothing of this shell's own environment, as in a container.
const env = { ENVIRONMENT: "production", ...aws.env, ...(process.env.TERM && { TERM: process.env.TERM }) };
const container = spawn(process.execPath, [ENTRYPOINT], { cwd: EXAMPLE, env, stdio: "inherit" });
const exit = once(container, "exit");
// Ctrl-C reaches the whole process group; this script stays until the container has left.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => container.kill("SIGTERM"));

const url = `http://localhost:${port}/`;
if (await isReady()) {
  console.log(
    `\nIts environment, all of it (/proc/${container.pid}/environ; docker inspect shows the same):`,
  );
  for (const line of await environmentOf(container.pid as number)) console.log(`  ${line}`);
  console.log(`\n${url} answers with its live settings:`);
  console.log(JSON.stringify(await readSettings(), null, 2));
  await rotate();
  console.log(`\nAfter the refresh its LOG_LEVEL is ${(await readSettings()).LOG_LEVEL}. Ctrl-C stops it.`);
}

const [code] = await exit;
await aws.close();
process.exitCode = code ?? 1;

async function readSettings(): Promise<Record<string, unknown>> {
  return (await (await fetch(url)).json()) as Record<string, unknown>;
}

/** As an operator would: something changes in the manager, and the running container is asked to take it. */
async function rotate(): Promise<void> {
  aws.put("shop/production/app", JSON.stringify({ log_level: "debug", port }));
  console.log("\nIn the manager LOG_LEVEL is debug now. node entrypoint.mjs secrets refresh:");
  const asked = spawn(process.execPath, [ENTRYPOINT, "secrets", "refresh"], {
    cwd: EXAMPLE,
    env,
    stdio: "inherit",
  });
  await once(asked, "exit");
}

/** Asks as Docker would: by the entrypoint's own healthcheck. False when the container has ended. */
async function isReady(): Promise<boolean> {
  while (container.exitCode === null && container.signalCode === null) {
    const probe = spawn(process.execPath, [ENTRYPOINT, "healthcheck"], {
      cwd: EXAMPLE,
      env,
      stdio: "ignore",
    });
    const [healthy] = await once(probe, "exit");
    if (healthy === 0) return true;
    await delay(100);
  }
  return false;
}

async function environmentOf(pid: number): Promise<string[]> {
  const environ = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => undefined);
  return (
    environ?.split("\0").filter(Boolean) ?? Object.entries(env).map(([name, value]) => `${name}=${value}`)
  );
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
      .once("error", () => resolve(false))
      .listen(port, () => probe.close(() => resolve(true)));
  });
}

async function anyFreePort(): Promise<number> {
  const probe = createServer().listen(0);
  await once(probe, "listening");
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
