/** Looks for the secrets of a bundle in everything that it left behind, in every test that runs one. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { encodingsOf } from "../encodings.ts";

/** What a process has left, by where it was found. */
export type Evidence = Map<string, Buffer>;

const LARGEST_BYTES = 16 * 2 ** 20;

/** The values that a bundle was given, whole and in parts, but for those that its config lets be shown. */
export function valuesIn(secrets: Readonly<Record<string, string>>, config: object | string): string[] {
  const shown = new Set<unknown>();
  if (typeof config === "object") {
    const { settings = {} } = config as { settings?: Record<string, { from?: unknown; secret?: boolean }> };
    for (const { from, secret } of Object.values(settings)) if (secret === false) shown.add(from);
  }
  const hidden = Object.entries(secrets).filter(([address]) => !shown.has(address));
  return [...new Set(hidden.flatMap(([, value]) => [value, ...partsOf(value)]))];
}

function partsOf(value: string): string[] {
  if (/^\s*[{[]/.test(value)) return leavesOf(JSON.parse(value));
  const { password = "" } = URL.parse(value) ?? {};
  return password ? [password, decodeURIComponent(password)] : [];
}

function leavesOf(document: unknown): string[] {
  if (typeof document === "string") return [document];
  return typeof document === "object" && document !== null ? Object.values(document).flatMap(leavesOf) : [];
}

/** The environment and the command line as other processes see them; of its children, too. */
export function inspectProcess(pid: number, evidence: Evidence): void {
  for (const id of [pid, ...childrenOf(pid)]) {
    for (const file of ["environ", "cmdline"]) {
      const path = `/proc/${id}/${file}`;
      const bytes = readQuietly(path);
      if (bytes) evidence.set(path, bytes);
    }
  }
}

function childrenOf(pid: number): number[] {
  const text = readQuietly(`/proc/${pid}/task/${pid}/children`)?.toString() ?? "";
  return text.split(" ").filter(Boolean).map(Number);
}

/** Every file below the folder that is not one of those that the test itself has put there. */
export function inspectFolder(folder: string, given: ReadonlySet<string>, evidence: Evidence): void {
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const path = join(folder, name);
    const stats = statSync(path, { throwIfNoEntry: false });
    if (given.has(name) || !stats?.isFile() || stats.size > LARGEST_BYTES) continue;
    const bytes = readQuietly(path);
    if (bytes) evidence.set(path, bytes);
  }
}

function readQuietly(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined; // it has ended, or was never there
  }
}

/** @param given what the test itself has put into the environment and the command line */
export function assertNothingLeaked(
  values: readonly string[],
  evidence: Evidence,
  given: readonly string[] = [],
): void {
  for (const value of values) {
    for (const form of encodingsOf(value)) {
      for (const [where, bytes] of evidence) {
        if (where.startsWith("/proc/") && given.some((text) => text.includes(form))) continue;
        assert.ok(!bytes.includes(form), `a secret is in ${where}, as ${form}:\n${bytes}`);
      }
    }
  }
}
