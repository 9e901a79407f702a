/** Holds the folder against the books, before anything runs: what is to be applied, and everything that speaks against it. */
import type { Problem } from "../errors.ts";
import { compareIds, type FolderContent } from "./folder.ts";
import type { Migration, MigrationRecord } from "./migration.ts";

export interface Plan {
  /** In order. */
  readonly pending: readonly Migration[];
  /** Each one keeps all of them from running. */
  readonly problems: readonly Problem[];
  /** How many of these are files that were begun and not finished: cut off, or under way in another process. */
  readonly begun: number;
  /** Applied by a newer image than this one. */
  readonly newer: readonly string[];
}

export interface PlanOptions {
  /** Files that sort before the last applied one are applied all the same. */
  readonly allowOutOfOrder: boolean;
}

export function planMigrations(
  { migrations, problems: found }: FolderContent,
  records: readonly MigrationRecord[],
  { allowOutOfOrder }: PlanOptions,
): Plan {
  const books = new Map(records.map((record) => [record.id, record]));
  const problems = [...found];
  const once = migrations.filter(({ kind }) => kind === "once");
  const lastFile = once.at(-1)?.id ?? "";
  const done = records
    .filter(({ id, finishedAt }) => finishedAt && !id.startsWith("R__"))
    .map(({ id }) => id);
  const lastDone = done.sort(compareIds).at(-1);

  const newer: string[] = [];
  for (const { id } of records) {
    if (migrations.some((migration) => migration.id === id) || id.startsWith("R__")) continue;
    if (compareIds(id, lastFile) > 0) newer.push(id);
    else problems.push({ subject: id, message: "was applied, but its file is gone; put it back as it was" });
  }
  const pending = migrations.filter((migration) => {
    const record = books.get(migration.id);
    const fault = record ? recordFault(migration, record) : orderFault(migration, lastDone, allowOutOfOrder);
    if (fault) problems.push({ subject: migration.id, message: fault });
    return !record?.finishedAt || record.checksum !== migration.checksum;
  });
  const begun = pending.filter(
    ({ id, idempotent }) => !idempotent && books.has(id) && !books.get(id)?.finishedAt,
  ).length;
  return { pending, problems, begun, newer };
}

function recordFault(
  migration: Migration,
  { checksum, startedAt, finishedAt }: MigrationRecord,
): string | undefined {
  if (!finishedAt && !migration.idempotent) {
    const where = `sallyport_migrations where id = '${migration.id}'`;
    return `was begun at ${startedAt} and cut off; see whether its work is done, then: update ${where.replace(" where", " set finished_at = current_timestamp where")}; or, when it is not, undo what there is of it, and: delete from ${where};`;
  }
  if (finishedAt && checksum !== migration.checksum && migration.kind === "once") {
    return "was edited after it was applied; restore it, and put the change into a new file";
  }
  return undefined;
}

function orderFault(
  { id, kind }: Migration,
  lastDone: string | undefined,
  allowOutOfOrder: boolean,
): string | undefined {
  if (kind === "repeatable" || allowOutOfOrder || lastDone === undefined || compareIds(id, lastDone) > 0)
    return undefined;
  return `sorts before ${lastDone}, which is applied already; give it a later name`;
}
