/** Every provider, behind one way to fill it, open it and make it fail. The conformance suite runs over these. */
import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { SecretsSource } from "../../entrypoint/config/types.ts";
import type { LogFields } from "../../entrypoint/log.ts";
import { openProvider } from "../../entrypoint/provider/provider.ts";
import type { SecretProvider } from "../../entrypoint/provider/secret-provider.ts";
import { Secret } from "../../entrypoint/secret.ts";
import { startFakeAws } from "../fakes/aws.ts";
import { startFakeInfisical } from "../fakes/infisical.ts";
import type { Fault } from "../fakes/server.ts";
import { makeFolder } from "../folder.ts";

export interface Line {
  readonly level: string;
  readonly event: string;
  readonly message: string;
  readonly fields: LogFields | undefined;
}

export interface Stage extends AsyncDisposable {
  open(): Promise<SecretProvider>;
  /** How many requests have read secrets so far. */
  reads(): number;
  fail(fault: Fault, times?: number): void;
  readonly lines: readonly Line[];
}

export interface Subject {
  readonly name: string;
  /** Addresses to values. `denied` are those that the identity may not read. */
  fill(secrets: Readonly<Record<string, string>>, denied?: readonly string[]): Promise<Stage>;
  /** Reading files has no network to fail. */
  readonly remote: boolean;
  /** Does the vendor keep one secret under one address, or several as keys of one document? */
  readonly reads: (addresses: number) => number;
}

/** One try is given up after this long, so that a hang shows. */
const ATTEMPT_TIMEOUT_MS = 300;

export const SUBJECTS: readonly Subject[] = [
  {
    name: "aws-secrets-manager",
    remote: true,
    reads: (folders) => Math.ceil(folders / 20),
    async fill(secrets, denied = []) {
      const names = denied.map((address) => `shop/${folderOf(address)}`);
      const fake = await startFakeAws({ secrets: asDocuments(secrets), denied: names });
      const calls = () => fake.requests.filter(({ call }) => call.endsWith("GetSecretValue"));
      return stage(
        { provider: "aws-secrets-manager", prefix: "shop" },
        {
          env: fake.env,
          reads: () => calls().length,
          fail: (fault, times = 1) => {
            for (const call of ["GetSecretValue", "BatchGetSecretValue"]) fake.fail(fault, { times, call });
          },
          close: fake.close,
        },
      );
    },
  },
  {
    name: "infisical",
    remote: true,
    reads: (folders) => folders,
    async fill(secrets, denied = []) {
      const fake = await startFakeInfisical({
        folders: asFolders(secrets),
        denied: denied.map((it) => `/${folderOf(it)}`),
      });
      return stage(
        { provider: "infisical", environment: "prod" },
        {
          bootstrap: fake.bootstrap,
          reads: () => fake.requests.filter(({ call }) => call === "secrets").length,
          fail: (fault, times = 1) => fake.fail(fault, { times, call: "secrets" }),
          close: fake.close,
        },
      );
    },
  },
  {
    name: "files",
    remote: false,
    reads: (addresses) => addresses,
    async fill(secrets, denied = []) {
      const directory = makeFolder();
      for (const [address, value] of Object.entries(secrets)) {
        const file = join(directory, address);
        await mkdir(dirname(file), { recursive: true });
        await writeFile(file, value);
        if (denied.includes(address)) await chmod(file, 0);
      }
      await chmod(directory, 0o755);
      return stage(
        { provider: "files", directory },
        {
          reads: () => 0,
          fail: () => {},
          close: () => rm(directory, { recursive: true }),
        },
      );
    },
  },
];

interface Parts {
  readonly env?: Record<string, string>;
  readonly bootstrap?: Readonly<Record<string, string>>;
  readonly reads: () => number;
  readonly fail: Stage["fail"];
  readonly close: () => Promise<void>;
}

function stage(source: SecretsSource, { env = {}, bootstrap = {}, reads, fail, close }: Parts): Stage {
  const lines: Line[] = [];
  const values = Object.entries(bootstrap).map(([name, value]) => [name, new Secret(value, name)] as const);
  const context = {
    env,
    directory: "/",
    bootstrap: new Map(values),
    log: (level: string, event: string, message: string, fields?: LogFields) =>
      void lines.push({ level, event, message, fields }),
    attemptTimeoutMs: ATTEMPT_TIMEOUT_MS,
  };
  return { open: () => openProvider(source, context), reads, fail, lines, [Symbol.asyncDispose]: close };
}

function folderOf(address: string): string {
  return address.slice(0, address.lastIndexOf("/"));
}

function keyOf(address: string): string {
  return address.slice(address.lastIndexOf("/") + 1);
}

function asFolders(secrets: Readonly<Record<string, string>>): Record<string, Record<string, string>> {
  const folders: Record<string, Record<string, string>> = {};
  for (const [address, value] of Object.entries(secrets)) {
    const folder = `/${folderOf(address)}`;
    folders[folder] = { ...folders[folder], [keyOf(address)]: value };
  }
  return folders;
}

function asDocuments(secrets: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(asFolders(secrets)).map(([folder, keys]) => [`shop${folder}`, JSON.stringify(keys)]),
  );
}
