/** Reads a folder of migrations: SQL files and modules, in the order of their names, with the directives that they carry. */
import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Problem } from "../errors.ts";
import type { Migration } from "./migration.ts";

/** Numbers in names count as numbers, so that 10_b comes after 9_a. Made when it is needed: that takes milliseconds. */
let order: Intl.Collator | undefined;

const FILE = /\.(sql|mjs|ts)$/;
/** Of golang-migrate and dbmate's older siblings: the way back is not ours to go. */
const DOWN = /\.down\.sql$/;

export interface FolderContent {
  /** In the order in which they are applied; those that repeat come last. */
  readonly migrations: readonly Migration[];
  readonly problems: readonly Problem[];
}

export function compareIds(a: string, b: string): number {
  order ??= new Intl.Collator("en", { numeric: true });
  return order.compare(a, b);
}

export async function readFolder(folder: string): Promise<FolderContent> {
  const names = (await readdir(folder)).filter((name) => !name.startsWith("."));
  const problems: Problem[] = [];
  const found = await Promise.all(names.map((name) => readEntry(folder, name, problems)));
  // As they were read at the same time, they came in any order.
  problems.sort((a, b) => compareIds(a.subject, b.subject));
  const migrations = found.filter((it) => it !== undefined);
  if (migrations.length === 0)
    problems.push({ subject: folder, message: "has no migration: no .sql, .mjs or .ts file" });
  migrations.sort(
    (a, b) => Number(a.kind === "repeatable") - Number(b.kind === "repeatable") || compareIds(a.id, b.id),
  );
  return { migrations, problems: [...problems, ...duplicates(migrations), ...directiveProblems(migrations)] };
}

/** Files that look like migrations to another tool must not be passed over in silence. */
const FOREIGN = /\.(js|cjs|mts|cts|sql)$/i;

/** Follows links: in a mounted ConfigMap every file is one. */
async function readEntry(folder: string, name: string, problems: Problem[]): Promise<Migration | undefined> {
  const path = join(folder, name);
  const at = (message: string) => void problems.push({ subject: name, message });
  if ((await stat(path)).isDirectory()) {
    const isPrisma = (await readdir(path)).includes("migration.sql");
    return isPrisma ? at("is a folder of Prisma's; let a module with prismaSql apply it") : undefined;
  }
  if (DOWN.test(name) || name.endsWith(".d.ts")) return undefined;
  if (!FILE.test(name))
    return FOREIGN.test(name) ? at("is not named .sql, .mjs or .ts, so it would not be applied") : undefined;
  try {
    return parseFile(name, new TextDecoder("utf-8", { fatal: true }).decode(await readFile(path)), folder);
  } catch {
    return at("is not UTF-8");
  }
}

/** `20260101120000_add_orders.sql` and `20260101120000_add_users.sql`: which one comes first would be chance. */
function duplicates(migrations: readonly Migration[]): Problem[] {
  const byNumber = Map.groupBy(
    migrations.filter(({ kind }) => kind === "once"),
    ({ id }) => /^0*(\d+)/.exec(id)?.[1] ?? id,
  );
  return [...byNumber.values()]
    .filter((group) => group.length > 1)
    .map((group) => ({
      subject: group[0]?.id as string,
      message: `has the number of ${group
        .slice(1)
        .map(({ id }) => id)
        .join(", ")}; give each its own`,
    }));
}

function directiveProblems(migrations: readonly Migration[]): Problem[] {
  return migrations.flatMap(({ id, content, transaction }) => {
    const fault = "statements" in content ? scriptFault(content.statements, transaction) : undefined;
    return fault ? [{ subject: id, message: fault }] : [];
  });
}

function scriptFault(statements: readonly string[], transaction: boolean): string | undefined {
  if (statements.length === 0) return "has no statement";
  const parts = statements.map(splitRoughly);
  if (!transaction && parts.some((it) => it.length > 1)) {
    return "runs outside a transaction, so each statement needs a line '--> statement-breakpoint' before the next";
  }
  const isOwn = (part: string) => /^(begin|start\s+transaction|commit|rollback)\b/i.test(part.trim());
  return parts.flat().some(isOwn)
    ? "begins or ends a transaction of its own; each file is one already"
    : undefined;
}

/** For counting and for first words only; what runs is never split by us. A semicolon in a quoted text or a function's body is no end. */
function splitRoughly(sql: string): string[] {
  const bare = sql
    .replace(/\$(\w*)\$[\s\S]*?\$\1\$/g, "")
    .replace(/'[^']*'|"[^"]*"/g, "")
    .replace(/--.*$|\/\*[\s\S]*?\*\//gm, "");
  // A routine's body may have any statement in it, and where it ends is the dialect's secret.
  const routine = /\bcreate\s[^;]*?\b(procedure|function|trigger|event|package)\b/i.exec(bare);
  const plain = routine ? `${bare.slice(0, routine.index)} routine` : bare;
  return plain.split(";").filter((part) => part.trim() !== "");
}

export function parseFile(id: string, raw: string, folder: string): Migration {
  const text = raw.replace(/^\uFEFF/, "").replace(/\r\n?/g, "\n");
  const checksum = createHash("sha256").update(text).digest("hex");
  const has = (directive: RegExp) => directive.test(text);
  return {
    id,
    checksum,
    kind: id.startsWith("R__") ? "repeatable" : "once",
    transaction: !has(
      /^(?:--|\/\/)\s*(?:migrate:no-transaction|\+goose NO TRANSACTION|migrate:up\s.*transaction:\s*false)/m,
    ),
    idempotent: has(/^(?:--|\/\/)\s*migrate:idempotent/m),
    content: id.endsWith(".sql") ? { statements: statementsOf(text) } : { path: join(folder, id) },
  };
}

/** What stands under "up", split where the file itself says so. */
function statementsOf(text: string): string[] {
  const up = /^--\s*(?:\+goose Up|migrate:up\b).*$/m.exec(text);
  const fromUp = up ? text.slice(up.index + up[0].length) : text;
  const [kept = ""] = fromUp.split(/^--\s*(?:\+goose Down|migrate:down\b).*$/m);
  return kept
    .split(/^\s*--> statement-breakpoint.*$|--> statement-breakpoint/m)
    .map((part) => part.trim())
    .filter(hasStatement);
}

function hasStatement(sql: string): boolean {
  return sql.replace(/--.*$|\/\*[\s\S]*?\*\//gm, "").trim() !== "";
}
