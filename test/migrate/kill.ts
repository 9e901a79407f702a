/** Kills migrating processes at random points, and looks at what the next one makes of it. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { inspect } from "node:util";
import { SallyportError } from "../../entrypoint/errors.ts";
import { readFolder } from "../../entrypoint/migrate/folder.ts";
import { makeFolder } from "../folder.ts";
import { openUrl, run } from "./run.ts";

const WORKER = join(import.meta.dirname, "worker.ts");
const AT_ONCE = 5;
const FILES = 8;
const FILE_MS = 50;

/** What the boot after a kill found: nothing left to do, the rest of the files, or one that was cut off. */
export interface Outcomes {
  readonly done: number;
  readonly resumed: number;
  readonly cutOff: number;
}

export interface Ordeal {
  readonly times: number;
  readonly seed: number;
  readonly createDatabase: () => Promise<string>;
  /** A statement that takes a moment, so that some kills come in the middle of a file. */
  readonly slow: string;
}

/** @throws {AssertionError} when a statement ran twice, or a boot ends otherwise than by finishing or by naming the file */
export async function killAtRandom({ times, seed, createDatabase, slow }: Ordeal): Promise<Outcomes> {
  const folder = writeFiles(slow);
  const random = seeded(seed);
  const outcomes = { done: 0, resumed: 0, cutOff: 0 };
  for (let begun = 0; begun < times; begun += AT_ONCE) {
    const points = Array.from({ length: Math.min(AT_ONCE, times - begun) }, () => random() * (FILES + 2));
    for (const outcome of await Promise.all(points.map((it) => killOnce(createDatabase, folder, it))))
      outcomes[outcome]++;
  }
  return outcomes;
}

/** Each file writes into a journal, between statements that a database without transactional DDL commits. */
function writeFiles(slow: string): string {
  const folder = makeFolder();
  writeFileSync(join(folder, "000_journal.sql"), "create table journal (entry int)");
  for (let n = 1; n <= FILES; n++) {
    const half = (entry: number) =>
      `create table t${entry} (id int);\ninsert into journal values (${entry});\n${slow};\n`;
    writeFileSync(join(folder, `00${n}_more.sql`), half(n) + half(n + 100));
  }
  return folder;
}

/** @param point before it, how many files are begun; its fraction, how far the last one gets, more or less */
async function killOnce(
  createDatabase: () => Promise<string>,
  folder: string,
  point: number,
): Promise<keyof Outcomes> {
  const url = await createDatabase();
  const child = spawn(process.execPath, [WORKER, url, folder], { stdio: ["ignore", "pipe", "inherit"] });
  const exit = once(child, "exit");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  for (let begun = 1; begun <= point; begun++) await lines.next();
  await delay((point % 1) * FILE_MS);
  child.kill("SIGKILL");
  await exit;

  const books = await openUrl(url);
  try {
    const content = await readFolder(folder);
    const result: string[] | SallyportError = await run(books, content).catch((error) => error);
    if (Array.isArray(result))
      assert.deepEqual(await run(books, content), [], "a boot after that has nothing to do");
    const entries = await journal(() => books.session.query("select entry as entry from journal"));
    assert.equal(new Set(entries).size, entries.length, `something ran twice: ${entries}`);
    if (Array.isArray(result)) {
      assert.equal(entries.length, FILES * 2);
      return result.length === 0 ? "done" : "resumed";
    }
    assert.ok(result instanceof SallyportError, inspect(result));
    assert.equal(result.code, "MIGRATION_INVALID", inspect(result));
    assert.equal(result.problems.length, 1);
    assert.match(result.problems[0]?.message ?? "", /cut off/);
    return "cutOff";
  } finally {
    await books.close();
  }
}

/** A file may be cut off before there is a journal. */
async function journal(
  query: () => Promise<readonly Readonly<Record<string, unknown>>[]>,
): Promise<number[]> {
  const rows = await query().catch(() => []);
  return rows.map(({ entry }) => Number(entry));
}

/** mulberry32 */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
