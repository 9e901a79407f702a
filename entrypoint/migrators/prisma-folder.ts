/** Reads `prisma/migrations`: a folder for each migration, with one `migration.sql` in it. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Problem } from "../errors.ts";

export interface PrismaMigration {
  readonly name: string;
  readonly script: string;
}

export interface PrismaFolder {
  /** In the order of their names. */
  readonly migrations: readonly PrismaMigration[];
  readonly problems: readonly Problem[];
}

export async function readPrismaFolder(folder: string): Promise<PrismaFolder> {
  const paths = await readdir(folder, { recursive: true });
  const next = paths.find((path) => path.endsWith("ops.json"));
  if (next !== undefined) return { migrations: [], problems: [otherLayout(dirname(next))] };

  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
  const isThere = (name: string) => paths.includes(join(name, "migration.sql"));
  const migrations = names.filter(isThere).map(async (name) => ({
    name,
    script: await readFile(join(folder, name, "migration.sql"), "utf8"),
  }));
  return {
    migrations: await Promise.all(migrations),
    problems: [
      ...names.filter((name) => !isThere(name)).map(noScript),
      ...providerProblems(await readFile(join(folder, "migration_lock.toml"), "utf8").catch(() => "")),
    ],
  };
}

function otherLayout(subject: string): Problem {
  return {
    subject,
    message: "has an ops.json, as Prisma's next line writes it; prismaSql runs migration.sql files only",
  };
}

function noScript(subject: string): Problem {
  return { subject, message: "has no migration.sql; put it back, or delete the folder" };
}

function providerProblems(lock: string): Problem[] {
  const provider = /^provider\s*=\s*"([^"]*)"/m.exec(lock)?.[1] ?? "postgresql";
  if (provider === "postgresql") return [];
  return [
    {
      subject: "migration_lock.toml",
      message: `says that these migrations are for ${provider}; prismaSql knows PostgreSQL`,
    },
  ];
}

export function checksumOf(script: string): string {
  return createHash("sha256").update(script).digest("hex");
}

/**
 * True with either kind of line end, and for checksums of old engines, which left out the zero in front of small bytes.
 * https://github.com/prisma/prisma-engines/blob/main/schema-engine/connectors/schema-connector/src/checksum.rs
 */
export function isChecksumOf(script: string, checksum: string): boolean {
  const unpadded = (hex: string) => hex.replace(/0(.)|(..)/g, "$1$2");
  return [script, script.replaceAll("\r\n", "\n"), script.replaceAll("\n", "\r\n")]
    .map(checksumOf)
    .some((it) => checksum === (checksum.length === it.length ? it : unpadded(it)));
}
