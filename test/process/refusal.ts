/** What the tests of the bundle's ends share: an app, a value that nothing may print, and how a refusal looks. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import {
  type Bundle,
  type BundleOptions,
  type Exit,
  runBundle as runAny,
  startBundle as startAny,
} from "./bundle.ts";

export const ENTRYPOINT = fileURLToPath(new URL("../../dist/entrypoint.mjs", import.meta.url));
const APP = `import { createServer } from "node:http"; export const start = () => createServer().listen(0);`;
const files = { "app.mjs": APP, "throws.mjs": "throw new Error('started')" };

export const startBundle = (options: BundleOptions): Bundle =>
  startAny({ ...options, files: { ...files, ...options.files } });
export const runBundle = (options: BundleOptions = {}): Promise<Exit> =>
  runAny({ ...options, files: { ...files, ...options.files } });

export const CANARY = "canary-6f1c9a";

/** The last line on stderr, which tells a person what failed. */
export function lastLine({ events }: Exit): string {
  return String(events.at(-1)?.message);
}

export function assertRefused(exit: Exit, code: number, errorCode: string, message: RegExp): void {
  assert.equal(exit.code, code, exit.stderr);
  const failed = exit.events.find(({ event }) => event === "run.failed");
  assert.equal(failed?.code, errorCode);
  assert.match(String(failed?.message), message);
  assert.match(String(failed?.message), new RegExp(`\\(${errorCode}, exit ${code}\\)$`));
  assert.ok(!(exit.stdout + exit.stderr).includes(CANARY), "a value was printed");
  assert.doesNotMatch(exit.stderr, /^\s+at /m, "a bare stack was printed");
}

/** Reads the failure, then ends the pause before the exit. */
export async function stopAfterFailure(options: BundleOptions): Promise<Exit> {
  await using bundle = startBundle(options);
  await bundle.event("exit.delayed");
  bundle.kill("SIGTERM");
  return await bundle.exit;
}

/** A command beside a running bundle, as `docker exec` would call it. */
export function ask(cwd: string, ...args: string[]): Promise<{ code: number; stdout: string }> {
  return new Promise((resolve) => {
    const env = { PATH: process.env.PATH, ENVIRONMENT: "test" };
    const child = execFile(process.execPath, [ENTRYPOINT, ...args], { cwd, env }, (_error, stdout) => {
      resolve({ code: child.exitCode ?? -1, stdout });
    });
  });
}

export const aws = (prefix = "shop") => ({
  secrets: { test: { provider: "aws-secrets-manager", prefix } },
  settings: { KEY: "app/key" },
  app: "./app.mjs",
  bootTimeout: "1s",
});
