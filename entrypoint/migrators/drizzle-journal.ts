/** Reads the folder of drizzle-kit: the journal, the files that it names, and the files that it forgets. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Problem } from "../errors.ts";

export const BREAKPOINT = "--> statement-breakpoint";

export interface DrizzleFile {
  readonly tag: string;
  /** What Drizzle records as `created_at`, in milliseconds. */
  readonly when: number;
  readonly text: string;
  /** SHA-256 of the text, with either kind of line end: a checkout on Windows has the other one. */
  readonly hashes: readonly string[];
}

export interface Journal {
  /** In Drizzle's order, which is the journal's. */
  readonly files: readonly DrizzleFile[];
  readonly problems: readonly Problem[];
}

interface Entry {
  readonly tag: string;
  readonly when: number;
}

/** @throws {Error} when there is no journal */
export async function readJournal(folder: string): Promise<Journal> {
  const entries = parseJournal(
    await readFile(join(folder, "meta", "_journal.json"), "utf8").catch(noJournal),
  );
  const names = (await readdir(folder)).filter((name) => /^\d{4,}_.*\.sql$/.test(name)).sort();
  const tags = entries.map(({ tag }) => tag);
  const forgotten = names.map((name) => name.slice(0, -".sql".length)).filter((tag) => !tags.includes(tag));
  const gone = tags.filter((tag) => !names.includes(`${tag}.sql`));
  const present = entries.filter(({ tag }) => !gone.includes(tag));
  return {
    files: await Promise.all(
      present.map(async (entry) => hashed(entry, await readFile(join(folder, `${entry.tag}.sql`), "utf8"))),
    ),
    problems: [
      ...forgotten.map((subject) => ({
        subject,
        message: "is not in meta/_journal.json, so Drizzle would skip it; let drizzle-kit generate it",
      })),
      ...gone.map((subject) => ({
        subject,
        message: "is in meta/_journal.json, but its file is gone; put it back as it was",
      })),
    ],
  };
}

function noJournal(cause: unknown): never {
  throw new Error(
    "the folder has no readable meta/_journal.json; is it the one that drizzle-kit 0.x writes, and in the image?",
    {
      cause,
    },
  );
}

function parseJournal(text: string): readonly Entry[] {
  const { entries } = JSON.parse(text) as { entries?: unknown };
  if (!Array.isArray(entries)) throw new Error("meta/_journal.json has no list of entries");
  return entries.map((entry: Partial<Entry>) => ({ tag: String(entry.tag), when: Number(entry.when) }));
}

function hashed({ tag, when }: Entry, text: string): DrizzleFile {
  const unix = text.replaceAll("\r\n", "\n");
  const hashes = [text, unix, unix.replaceAll("\n", "\r\n")].map((it) =>
    createHash("sha256").update(it).digest("hex"),
  );
  return { tag, when, text, hashes };
}
