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

/** A part's code, and what V8 made of it earlier, where that is kept. */
interface Text {
  readonly code: string;
  readonly cachedData?: Buffer;
}

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

function whatIsMissing(bundle: ImportMeta, parts: readonly Part[]): string | undefined {
  if (!("getBuiltinModule" in process && "withResolvers" in Promise))
    return `Sallyport needs Node 22.19 or later; this is ${process.version}.`;
  const folder = bakedParts(bundle, parts);
  if (folder === undefined || process.getBuiltinModule("node:fs").existsSync(folder)) return undefined;
  return `${folder} is missing: copy all of the folder that bake.mjs has made, or the whole bundle.`;
}

/** Where `docker/bake.mjs` has laid the parts when it took them out of this file. */
function bakedParts({ filename }: ImportMeta, [first]: readonly Part[]): string | undefined {
  const isWhole = process.getBuiltinModule("node:fs").statSync(filename).size > (first as Part).beforeEnd;
  return isWhole ? undefined : `${filename}.parts/`;
}

/** As `require`, for the modules of the bundle, builtins, and what a package looks for and does without. */
function createLoader(bundle: ImportMeta, parts: readonly Part[]): Load {
  const folder = bakedParts(bundle, parts);
  const read = (part: Part) => (folder ? readBaked(part, folder) : readInside(part, bundle.filename));
  const partOf = new Map(parts.flatMap((part) => part.chunks.map((chunk) => [chunk, part])));
  const compiled = new Map<Part, Chunks>();
  const modules = new Map<string, { exports: object }>();
  const load = (name: string) => {
    const id = name.replace("./", "");
    const part = partOf.get(id);
    if (!part) return loadForeign(name, bundle);
    const known = modules.get(id);
    if (known) return known.exports;
    const chunks = compiled.get(part) ?? compile(part, read(part), bundle);
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

/** V8 refuses what another version of it has made, and compiles. */
function compile(part: Part, { code, ...cache }: Text, { url }: ImportMeta): Chunks {
  const { Script } = process.getBuiltinModule("node:vm");
  const script = new Script(code, {
    ...cache,
    // Where it stands in the file, so that the source map holds.
    ...{ filename: url, lineOffset: part.line, columnOffset: "//".length },
  });
  (globalThis as { [COMPILED]?: Map<string, object> })[COMPILED]?.set(part.name, script);
  return script.runInThisContext() as Chunks;
}

/** Only these bytes: the whole file would stay in memory for as long as any text out of it does. */
function readInside({ length, beforeEnd }: Part, filename: string): Text {
  const { closeSync, fstatSync, openSync, readSync } = process.getBuiltinModule("node:fs");
  const bytes = Buffer.allocUnsafe(length);
  const file = openSync(filename, "r");
  readSync(file, bytes, 0, length, fstatSync(file).size - beforeEnd);
  closeSync(file);
  return { code: bytes.toString("latin1") };
}

function readBaked({ name, length }: Part, folder: string): Text {
  const { existsSync, readFileSync } = process.getBuiltinModule("node:fs");
  const path = folder + name;
  const code = readFileSync(path, "utf8");
  if (code.length !== length)
    throw new Error(`${path} is of another version; copy all of the folder that bake.mjs has made`);
  const cache = `${path}.cache`;
  return existsSync(cache) ? { code, cachedData: readFileSync(cache) } : { code };
}

function loadForeign(name: string, { url }: ImportMeta): unknown {
  const { createRequire, isBuiltin } = process.getBuiltinModule("node:module");
  return isBuiltin(name) ? process.getBuiltinModule(name) : createRequire(url)(name);
}
