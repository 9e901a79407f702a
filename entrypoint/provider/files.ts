/** Files as a provider: Docker secrets, Vault Agent, CSI and Kubernetes volumes, a folder on a developer's machine. */
import { readlink } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import pMap from "p-map";
import type { SecretRef } from "../config/address.ts";
import { errorName } from "../errors.ts";
import { readRegularFile } from "../regular-file.ts";
import { Secret } from "../secret.ts";
import { type Payload, pick } from "./payload.ts";
import type {
  ProviderContext,
  RefProblem,
  SecretProvider,
  SecretRead,
  SecretSet,
} from "./secret-provider.ts";

const LARGEST_FILE_BYTES = 1024 * 1024;

/** @param directory relative to the config file */
export function openFiles(directory: string, context: ProviderContext): SecretProvider {
  const root = resolve(context.directory, directory);
  return {
    title: `files in ${root}`,
    identify: async () => `uid ${process.getuid?.() ?? "unknown"}`,
    fetch: (refs, signal) => fetchFiles(root, refs, signal),
    close: () => {},
  };
}

const FILES_AT_ONCE = 32;

async function fetchFiles(root: string, refs: readonly SecretRef[], signal: AbortSignal): Promise<SecretSet> {
  const reads: SecretRead[] = [];
  const folders = new Map<string, Promise<string>>();
  const payloads = new Map<string, Promise<Payload | RefProblem>>();
  const read = async (name: string): Promise<Payload | RefProblem> => {
    signal.throwIfAborted();
    const started = performance.now();
    const path = join(root, name);
    const folder = dirname(path);
    if (!folders.has(folder)) folders.set(folder, pinGeneration(folder));
    const payload = await readPayload(join((await folders.get(folder)) as string, basename(path)), path);
    if ("content" in payload) reads.push({ name: path, version: payload.version, ms: elapsed(started) });
    return payload;
  };
  /** Once a file, whatever number of settings come out of it. */
  const load = (name: string) => {
    const payload = payloads.get(name) ?? read(name);
    payloads.set(name, payload);
    return payload;
  };
  const each = async (ref: SecretRef) => [ref, await answer(ref, load)] as const;
  const answers = await pMap(refs, each, { concurrency: FILES_AT_ONCE });
  return { answers: new Map(answers), reads, requests: reads.length };
}

async function answer(
  ref: SecretRef,
  load: (name: string) => Promise<Payload | RefProblem>,
): Promise<Secret | RefProblem> {
  const suffix = ref.stage === "previous" ? ".previous" : "";
  if (ref.kind === "secret") return pickFrom(await load(ref.id + suffix), ref.id + suffix, ref.key);

  const file = join(ref.folder, ref.name) + suffix;
  const alone = pickFrom(await load(file), file, undefined);
  if (!ref.folder) return alone;
  const document = `${ref.folder}${suffix}.json`;
  const inDocument = pickFrom(await load(document), document, ref.name);
  if (alone instanceof Secret && inDocument instanceof Secret) {
    return { kind: "invalid", message: `both ${file} and ${document}#${ref.name} exist: which one counts?` };
  }
  const found = [alone, inDocument].find((it) => it instanceof Secret || it.kind !== "missing");
  return (
    found ?? { kind: "missing", message: `neither a file ${file} nor a key '${ref.name}' in ${document}` }
  );
}

function pickFrom(payload: Payload | RefProblem, name: string, key: string | undefined): Secret | RefProblem {
  return "content" in payload ? pick(payload, name, key) : payload;
}

/**
 * Kubernetes swaps a mounted folder by one link, `..data`. Reading through the link's target keeps all values of one
 * fetch from the same generation. https://kubernetes.io/docs/concepts/configuration/secret/
 */
async function pinGeneration(folder: string): Promise<string> {
  const target = await readlink(join(folder, "..data")).catch(() => undefined);
  return target === undefined ? folder : resolve(folder, target);
}

async function readPayload(path: string, shown: string): Promise<Payload | RefProblem> {
  try {
    const { bytes, modified } = await readRegularFile(path, LARGEST_FILE_BYTES);
    return { content: decode(bytes), version: modified.toISOString(), stored: bytes };
  } catch (error) {
    return fileProblem(errorName(error), shown);
  }
}

/** Text loses its byte order mark and the newlines that editors and `echo` leave at the end; what is not text stays bytes. */
function decode(bytes: Buffer): string | Uint8Array {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes).replace(/[\r\n]+$/, "");
  } catch {
    return bytes;
  }
}

function fileProblem(code: string, path: string): RefProblem {
  const uid = process.getuid?.();
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return { kind: "missing", message: `no file ${path}` };
    case "EACCES":
    case "EPERM":
      return { kind: "denied", message: `uid ${uid} may not read ${path}` };
    case "EFBIG":
      return { kind: "invalid", message: `${path} is larger than 1 MiB` };
    case "ENOTFILE":
      return { kind: "invalid", message: `${path} is not a regular file` };
    default:
      return { kind: "invalid", message: `${path} can't be read (${code})` };
  }
}

function elapsed(started: number): number {
  return Math.round(performance.now() - started);
}
