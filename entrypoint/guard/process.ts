/** Finds what the process itself is exposed by: its user, its limits, its command line, the files it logs in with. */
import { readFile, stat } from "node:fs/promises";
import type { Exposure } from "./exposure.ts";

export interface ProcessToCheck {
  /** Files that bootstrap values may have come from, by the values' names. */
  readonly bootstrap: ReadonlyMap<string, string>;
  readonly find: (text: string) => readonly string[];
}

export async function checkProcess({ bootstrap, find }: ProcessToCheck): Promise<Exposure[]> {
  const found = await Promise.all([
    checkUser(),
    checkCoreDumps(),
    checkCommandLine(find),
    ...[...bootstrap].map(([name, path]) => checkFile(name, path)),
  ]);
  return found.flat();
}

function checkUser(): Exposure[] {
  if (process.getuid?.() !== 0) return [];
  return [
    { subject: "root", message: "runs this process; any other user will do (USER 1000)", isSevere: false },
  ];
}

/** There is no `/proc` on a developer's Mac. */
async function checkCoreDumps(): Promise<Exposure[]> {
  const limits = await readFile("/proc/self/limits", "utf8").catch(() => "");
  const [, limit = "0"] = /^Max core file size\s+(\S+)/m.exec(limits) ?? [];
  if (limit === "0") return [];
  const message = "are on: a crash writes all memory to a file; turn them off (docker run --ulimit core=0)";
  return [{ subject: "core dumps", message, isSevere: false }];
}

async function checkCommandLine(find: ProcessToCheck["find"]): Promise<Exposure[]> {
  const words = (await readFile("/proc/self/cmdline", "utf8").catch(() => "")).split("\0");
  const held = [...new Set(words.flatMap(find))];
  if (held.length === 0) return [];
  const message = `holds the value of ${held.join(" and ")}, and every process list shows it`;
  return [{ subject: "command line", message, isSevere: true }];
}

async function checkFile(name: string, path: string): Promise<Exposure[]> {
  const mode = await stat(path).then(
    (it) => it.mode,
    () => 0,
  );
  const others = [...(mode & 0o022 ? ["written"] : []), ...(mode & 0o004 ? ["read"] : [])];
  if (others.length === 0) return [];
  const octal = (mode & 0o777).toString(8).padStart(4, "0");
  const message = `comes from ${path}, which can be ${others.join(" and ")} by other users (mode ${octal}); 0400 will do`;
  return [{ subject: name, message, isSevere: false }];
}
