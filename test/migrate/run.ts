/** A run of migrations as the corridor does it, on texts in the place of files. */
import { openDatabase } from "../../entrypoint/database/database.ts";
import { type Books, openBooks } from "../../entrypoint/migrate/books.ts";
import { type FolderContent, parseFile } from "../../entrypoint/migrate/folder.ts";
import { type MigrateOptions, migrate } from "../../entrypoint/migrate/migrate.ts";
import { runContent } from "../../entrypoint/migrate/work.ts";

export const WAIT_MS = 30_000;

export async function openUrl(url: string): Promise<Books> {
  const directory = import.meta.dirname;
  const database = await openDatabase({ url: "URL" }, { readText: () => url, directory, log: () => {} });
  const connect = () => database.connect(AbortSignal.timeout(WAIT_MS));
  return openBooks({ ...database, connect }, await connect());
}

/** Texts by name, in the order in which they are applied. */
export function folder(files: Readonly<Record<string, string>>): FolderContent {
  return {
    migrations: Object.entries(files).map(([id, text]) => parseFile(id, text, "/nowhere")),
    problems: [],
  };
}

export function run(
  books: Books,
  content: FolderContent,
  more: Partial<MigrateOptions> = {},
): Promise<string[]> {
  const { session } = books;
  return migrate(
    { ...books, folder: content, work: runContent(session, {}), cancel: session.cancel },
    {
      mode: "run",
      allowOutOfOrder: false,
      lockTimeoutMs: WAIT_MS,
      signal: AbortSignal.timeout(WAIT_MS),
      log: () => {},
      progress: () => {},
      ...more,
    },
  );
}

export async function count({ session }: Books, table: string): Promise<number> {
  const [row] = await session.query(`select count(*) as n from ${table}`);
  return Number(row?.n);
}
