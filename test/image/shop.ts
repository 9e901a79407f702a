/** What the example app needs, as each secrets manager keeps it. */
import { randomUUID } from "node:crypto";
import { chmod, mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const PASSWORD = `correct-horse-${randomUUID()}`;
const STRIPE_KEY = `a-stripe-key-${randomUUID()}`;

/** What must not be seen anywhere. */
export const SECRETS = [PASSWORD, STRIPE_KEY];

/** By folder, then by key. */
type Folders = Readonly<Record<string, Readonly<Record<string, string>>>>;

export function shopSecrets(port: number): Folders {
  return {
    database: { url: `postgres://shop:${PASSWORD}@database.internal/shop` },
    app: { log_level: "info", port: String(port) },
    features: { payments: "true" },
    stripe: { secret_key: STRIPE_KEY },
  };
}

/** One JSON document a folder. */
export function forSecretsManager(folders: Folders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(folders).map(([folder, keys]) => [`shop/production/${folder}`, JSON.stringify(keys)]),
  );
}

export function forInfisical(folders: Folders): Folders {
  return Object.fromEntries(Object.entries(folders).map(([folder, keys]) => [`/${folder}`, keys]));
}

/** One file a key. */
export function forFiles(folders: Folders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(folders).flatMap(([folder, keys]) =>
      Object.entries(keys).map(([key, value]) => [`${folder}/${key}`, value]),
    ),
  );
}

/** @returns a temporary folder that uid 1000 can read, whatever the umask is */
export async function layFiles(files: Readonly<Record<string, string>>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "sallyport-image-"));
  await chmod(root, 0o755);
  for (const [name, text] of Object.entries(files)) {
    const file = join(root, name);
    await mkdir(dirname(file), { recursive: true });
    await chmod(dirname(file), 0o755);
    await writeFile(file, `${text}\n`);
    await chmod(file, 0o644);
  }
  return root;
}

/** Nothing holds it until the container does; on a test machine nothing else asks for one. */
export async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
