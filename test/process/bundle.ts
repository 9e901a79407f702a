/** Runs the real bundle as a process of its own: its folder, its secrets, its output, its exit. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { type IncomingHttpHeaders, request } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { socketsToAsk } from "../../entrypoint/socket-path.ts";
import { assertNothingLeaked, type Evidence, inspectFolder, inspectProcess, valuesIn } from "./leaks.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const ENTRYPOINT = join(ROOT, "dist/entrypoint.mjs");
const WAIT_MS = 20_000;

/** The Node binaries that the bundle has to run on. */
export const NODES = [
  { version: 22, path: join(ROOT, "node_modules/node22/bin/node") },
  { version: 24, path: join(ROOT, "node_modules/node/bin/node") },
  { version: 26, path: join(ROOT, "node_modules/node26/bin/node") },
] as const;

/** The path of a guest app. */
export function guest(name: string): string {
  return join(ROOT, "test/fixtures/apps", name);
}

export interface BundleOptions {
  /** Merged over a config with the `files` provider as environment `test`, and no drain delay. A text is written as it is. */
  readonly config?: object | string;
  /** By address: `{ "app/port": "0" }`. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Values that are confidential, too: of a fake's login, of another's secret. */
  readonly canaries?: readonly string[];
  /** More files in the working directory, by relative path. */
  readonly files?: Readonly<Record<string, string>>;
  /** Beside `PATH` and `ENVIRONMENT=test`; `undefined` takes one away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** What follows `entrypoint.mjs`. */
  readonly args?: readonly string[];
  readonly node?: string;
  /** Options of Node itself. */
  readonly nodeOptions?: readonly string[];
  /** A command that is to start it: `["unshare", …]`. */
  readonly through?: readonly string[];
}

/** One JSON line of the log. */
export type LogEvent = Readonly<Record<string, unknown>> & { readonly event: string };

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly events: readonly LogEvent[];
}

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/**
 * Use it with `await using`: at the end of the test the process is killed and its folder removed. Before that, all that it
 * has left is searched for its secrets, whatever the test was about: output, answers, files, `/proc`.
 */
export interface Bundle extends AsyncDisposable {
  readonly pid: number;
  /** Its working directory. */
  readonly directory: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly events: readonly LogEvent[];
  readonly exit: Promise<Exit>;
  /** The first log line with this event, past or to come. Throws when the process ends without it. */
  event(name: string): Promise<LogEvent>;
  /** The first match in stdout or stderr, past or to come. */
  output(pattern: RegExp): Promise<RegExpExecArray>;
  kill(signal: NodeJS.Signals): void;
  /** The port of an app that prints `listening on <port>`. */
  port(): Promise<number>;
  /** Asks the app. */
  get(path: string): Promise<Reply>;
  /** Asks the admin socket. */
  admin(path: string, method?: "GET" | "POST"): Promise<Reply>;
  /** Changes what the `files` provider serves: `undefined` takes one away. */
  put(secrets: Readonly<Record<string, string | undefined>>): void;
  /** The admin socket's path while its file exists. */
  socket(): string | undefined;
}

/** What a test that died did not clean up. */
const leftOver = new Set<() => void>();
process.once("exit", () => {
  for (const cleanUp of leftOver) cleanUp();
});

export function startBundle(options: BundleOptions = {}): Bundle {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "sallyport-test-")));
  const written = writeFiles(directory, options);
  const { node = NODES[1].path, nodeOptions = [], args = [], through = [] } = options;
  const command = [...through, node, ...nodeOptions, ENTRYPOINT, ...args];
  const env = { PATH: process.env.PATH, ENVIRONMENT: "test", ...options.env };
  const stdio = ["ignore", "pipe", "pipe"] as ["ignore", "pipe", "pipe"];
  const child = spawn(command[0] as string, command.slice(1), { cwd: directory, env, stdio });
  const cleanUp = () => {
    child.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
    for (const path of socketsToAsk(directory)) rmSync(path, { force: true });
  };
  leftOver.add(cleanUp);

  const evidence: Evidence = new Map();
  /** What was put in their place later. */
  const rotated: Record<string, string>[] = [];
  const output = watchOutput(child);
  child.on("output", () => inspectProcess(child.pid as number, evidence));
  const search = () => {
    inspectFolder(directory, written, evidence);
    evidence.set("stdout", Buffer.from(output.stdout)).set("stderr", Buffer.from(output.stderr));
    const { secrets = {}, canaries = [], config = {} } = options;
    const values = [...[secrets, ...rotated].flatMap((it) => valuesIn(it, config)), ...canaries];
    assertNothingLeaked(values, evidence, [...command, ...Object.values(env).map(String)]);
  };
  const port = async () => Number((await output.match(/listening on (\d+)/))[1]);
  const socket = () => socketsToAsk(directory).find((path) => existsSync(path));
  return {
    pid: child.pid as number,
    directory,
    get stdout() {
      return output.stdout;
    },
    get stderr() {
      return output.stderr;
    },
    get events() {
      return parseEvents(output.stderr);
    },
    exit: output.exit,
    event: (name) => output.until((it) => parseEvents(it.stderr).find(({ event }) => event === name), name),
    output: output.match,
    kill: (signal) => void child.kill(signal),
    port,
    get: async (path) => ask({ host: "127.0.0.1", port: await port(), path }),
    async admin(path, method) {
      const reply = await ask({ socketPath: socket() ?? "/nowhere", path, method });
      evidence.set(`the answer to ${path}`, Buffer.from(JSON.stringify(reply)));
      return reply;
    },
    put(secrets) {
      for (const [path, value] of Object.entries(secrets)) {
        const file = join(directory, ".secrets", path);
        if (value === undefined) {
          rmSync(file);
          continue;
        }
        writeFileSync(file, value);
        rotated.push({ [path]: value });
      }
    },
    socket,
    async [Symbol.asyncDispose]() {
      leftOver.delete(cleanUp);
      if (child.exitCode === null && child.signalCode === null) inspectProcess(child.pid as number, evidence);
      child.kill("SIGKILL");
      await output.exit;
      try {
        search();
      } finally {
        cleanUp();
      }
    },
  };
}

/** Starts it and waits for its end. */
export async function runBundle(options: BundleOptions = {}): Promise<Exit> {
  await using bundle = startBundle(options);
  return await bundle.exit;
}

/** @returns their relative paths */
function writeFiles(
  directory: string,
  { config = {}, secrets = {}, files = {} }: BundleOptions,
): ReadonlySet<string> {
  const base = {
    secrets: { test: { provider: "files", directory: ".secrets" } },
    settings: {},
    drainDelay: "0s",
  };
  const text = typeof config === "string" ? config : JSON.stringify({ ...base, ...config });
  const hasConfig = Object.keys(files).some((path) => path.startsWith("sallyport.config."));
  const all = {
    ...(hasConfig ? {} : { "sallyport.config.json": text }),
    ...Object.fromEntries(Object.entries(secrets).map(([path, value]) => [join(".secrets", path), value])),
    ...files,
  };
  for (const [path, content] of Object.entries(all)) {
    const file = join(directory, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
  return new Set(Object.keys(all));
}

function watchOutput(child: ChildProcess) {
  const seen = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      seen[name] += text;
      child.emit("output");
    });
  }
  const exit = new Promise<Exit>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) =>
      resolve({ code, signal, ...seen, events: parseEvents(seen.stderr) }),
    );
  });
  const until = <T>(find: (output: typeof seen) => T | null | undefined, what: string) =>
    new Promise<T>((resolve, reject) => {
      const settle = (failure?: string) => {
        const found = find(seen);
        if (!found && !failure) return;
        clearTimeout(timer);
        child.off("output", look).off("close", ended);
        if (found) resolve(found);
        else reject(new Error(`${failure} without ${what}\n${seen.stdout}\n${seen.stderr}`));
      };
      const look = () => settle();
      const ended = () => settle("the process ended");
      const timer = setTimeout(() => settle(`${WAIT_MS} ms passed`), WAIT_MS);
      child.on("output", look).once("close", ended);
      if (child.exitCode !== null || child.signalCode !== null) void exit.then(ended);
      look();
    });
  const match = (pattern: RegExp) =>
    until((it) => pattern.exec(it.stdout) ?? pattern.exec(it.stderr), String(pattern));
  return Object.assign(seen, { exit, until, match });
}

/** A line that is cut off, or that Node or the app printed, is no event. */
function parseEvents(stderr: string): LogEvent[] {
  return stderr.split("\n").flatMap((line) => {
    if (!line.startsWith('{"time"')) return [];
    try {
      return [JSON.parse(line) as LogEvent];
    } catch {
      return [];
    }
  });
}

/** One request on a connection of its own. */
export function ask(target: {
  readonly host?: string;
  readonly port?: number;
  readonly socketPath?: string;
  readonly path: string;
  readonly method?: "GET" | "POST" | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const asked = request({ ...target, agent: false }, async (response) => {
      try {
        const text = (await response.setEncoding("utf8").toArray()).join("");
        resolve({ status: response.statusCode as number, headers: response.headers, text });
      } catch (error) {
        reject(error);
      }
    });
    asked.once("error", reject).end();
  });
}
