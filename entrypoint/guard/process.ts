/** Finds what the process itself is exposed by: its user, its limits, its command line, the files it logs in with. */
import { readFileSync, statSync } from "node:fs";
import type { Exposure } from "./exposure.ts";

export interface ProcessToCheck {
  /** Files that bootstrap values may have come from, by the values' names. */
  readonly bootstrap: ReadonlyMap<string, string>;
  readonly find: (text: string) => readonly string[];
}

export function checkProcess({ bootstrap, find }: ProcessToCheck): Exposure[] {
  const files = [...bootstrap].flatMap(([name, path]) => checkFile(name, path));
  return [...checkUser(), ...checkCoreDumps(), ...checkCommandLine(find), ...files];
}

function checkUser(): Exposure[] {
  if (process.getuid?.() !== 0) return [];
  return [
    { subject: "root", message: "runs this process; any other user will do (USER 1000)", isSevere: false },
  ];
}

function checkCoreDumps(): Exposure[] {
  const limits = readAboutSelf("limits");
  const [, limit = "0"] = /^Max core file size\s+(\S+)/m.exec(limits) ?? [];
  if (limit === "0") return [];
  const message = "are on: a crash writes all memory to a file; turn them off (docker run --ulimit core=0)";
  return [{ subject: "core dumps", message, isSevere: false }];
}

function checkCommandLine(find: ProcessToCheck["find"]): Exposure[] {
  const words = readAboutSelf("cmdline").split("\0");
  const held = [...new Set(words.flatMap(find))];
  if (held.length === 0) return [];
  const message = `holds the value of ${held.join(" and ")}, and every process list shows it`;
  return [{ subject: "command line", message, isSevere: true }];
}

/** The kernel answers at once, so there is nothing to wait for. A developer's Mac has no `/proc`. */
function readAboutSelf(file: string): string {
  try {
    return readFileSync(`/proc/self/${file}`, "utf8");
  } catch {
    return "";
  }
}

function checkFile(name: string, path: string): Exposure[] {
  const { mode } = statSync(path, { throwIfNoEntry: false }) ?? { mode: 0 };
  const others = [...(mode & 0o022 ? ["written"] : []), ...(mode & 0o004 ? ["read"] : [])];
  if (others.length === 0) return [];
  const octal = (mode & 0o777).toString(8).padStart(4, "0");
  const message = `comes from ${path}, which can be ${others.join(" and ")} by other users (mode ${octal}); 0400 will do`;
  return [{ subject: name, message, isSevere: false }];
}
