/** The top of the bundle: compiles a part of it when something in it is first asked for. Nothing imports it; `build.mjs` puts it there. */

/** One line of the file, behind `//`. As a comment it costs nothing until it is needed. */
interface Part {
  readonly name: string;
  /** Of its code, which is ASCII. */
  readonly length: number;
  /** From the start of its code to the end of the file. */
  readonly beforeEnd: number;
  /** Counted from 0. */
  readonly line: number;
  /** The modules in it. */
  readonly chunks: readonly string[];
}

type Load = (name: string) => unknown;
type Chunk = (
  module: { exports: object },
  exports: object,
  require: Load,
  demand: Load,
  summon: Load,
  now: () => number,
) => void;
type Chunks = Readonly<Record<string, Chunk>>;

/** `docker/bake.mjs` asks by this name for what was compiled. */
const COMPILED = Symbol.for("sallyport.compiled");

/** Loads the first module of the first part. */
export function unpack(bundle: ImportMeta, parts: readonly Part[]): void {
  const fault = whatIsMissing(bundle, parts);
  if (fault === undefined) {
    createLoader(bundle, parts)(parts[0]?.chunks[0] as string);
    return;
  }
  process.stderr.write(`${fault}\n`);
  process.exitCode = 78;
}

function whatIsMissing({ filename }: ImportMeta, [first]: readonly Part[]): string | undefined {
  if (!("getBuiltinModule" in process && "withResolvers" in Promise))
    return `Sallyport needs Node 22.19 or later; this is ${process.version}.`;
  const { existsSync, statSync } = process.getBuiltinModule("node:fs");
  if (existsSync(partsOf(filename)) || statSync(filename).size > (first as Part).beforeEnd) return undefined;
  return `${partsOf(filename)} is missing: copy all of the folder that bake.mjs has made, or the whole entrypoint.mjs.`;
}

/** As `require`, for the modules of the bundle, builtins, and what a package looks for and does without. */
function createLoader(bundle: ImportMeta, parts: readonly Part[]): Load {
  const partOf = new Map(parts.flatMap((part) => part.chunks.map((chunk) => [chunk, part])));
  const compiled = new Map<Part, Chunks>();
  const modules = new Map<string, { exports: object }>();
  const load = (name: string) => {
    const id = name.replace("./", "");
    const part = partOf.get(id);
    if (!part) return loadForeign(name, bundle);
    const known = modules.get(id);
    if (known) return known.exports;
    const chunks = compiled.get(part) ?? compile(part, bundle);
    compiled.set(part, chunks);
    const module = { exports: {} };
    modules.set(id, module);
    chunks[id]?.(module, module.exports, load, demand, summon, now);
    return module.exports;
  };
  const demand = async (name: string) => load(name);
  // Of this file, which is a module: a script that imports by itself makes Node print a warning.
  const summon = (name: string) => import(name);
  return load;
}

/** Milliseconds, in place of `performance.now()`. */
function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function compile(part: Part, { filename, url }: ImportMeta): Chunks {
  const { Script } = process.getBuiltinModule("node:vm");
  const script = new Script(readCode(part, filename), {
    ...readCache(part, filename),
    // Where it stands in the file, so that the source map holds.
    ...{ filename: url, lineOffset: part.line, columnOffset: "//".length },
  });
  (globalThis as { [COMPILED]?: Map<string, object> })[COMPILED]?.set(part.name, script);
  return script.runInThisContext() as Chunks;
}

/** Only these bytes: the whole file would stay in memory for as long as any text out of it does. */
function readCode({ name, length, beforeEnd }: Part, filename: string): string {
  const { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync } =
    process.getBuiltinModule("node:fs");
  if (existsSync(partsOf(filename))) return readFileSync(`${partsOf(filename)}${name}`, "utf8");
  const bytes = Buffer.allocUnsafe(length);
  const file = openSync(filename, "r");
  readSync(file, bytes, 0, length, fstatSync(file).size - beforeEnd);
  closeSync(file);
  return bytes.toString("latin1");
}

/** V8 refuses what another version of it has made, and compiles. */
function readCache({ name }: Part, filename: string): { cachedData?: Buffer } {
  const { existsSync, readFileSync } = process.getBuiltinModule("node:fs");
  const path = `${partsOf(filename)}${name}.cache`;
  return existsSync(path) ? { cachedData: readFileSync(path) } : {};
}

/** Where `docker/bake.mjs` has laid them out, if it has. */
function partsOf(filename: string): string {
  return `${filename}.parts/`;
}

function loadForeign(name: string, { url }: ImportMeta): unknown {
  const { createRequire, isBuiltin } = process.getBuiltinModule("node:module");
  return isBuiltin(name) ? process.getBuiltinModule(name) : createRequire(url)(name);
}
