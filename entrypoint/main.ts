/** The process edge: the only file that names `process.exit`, `process.argv` and `process.env`. */
import { writeSync } from "node:fs";
import type { Command, RunCommand } from "./cli.ts";
import type { Mask } from "./guard/mask.ts";
import { socketsToAsk } from "./socket-path.ts";
import type { World } from "./step.ts";

// Diagnostic reports list every variable of the environment unless told not to.
if (process.report) process.report.excludeEnv = true;

const FLUSH_MS = 1_000;
const COMMANDS = { run, healthcheck, check, migrate, secrets, version, help } as const;

/** Set as soon as there is one: the last words, too, go through it. */
let mask: Pick<Mask, "apply" | "hides"> = { apply: (text) => text, hides: () => false };
// A worker thread of the app's loads this file before its own, for the mask alone: see guard/workers.ts.
if (process.execArgv.includes("sallyport.thread")) {
  void import("./guard/this-worker.ts");
} else {
  process.exitCode = 70; // until a command says otherwise
  main()
    .catch(async (error) => (await import("./failure.ts")).logFailure(await openLog(), error))
    .then(exit);
}

async function main(): Promise<number> {
  const argv = process.argv.slice(2);
  // The probe comes every few seconds and is dispatched before anything else is loaded.
  if (argv[0] === "healthcheck" && argv.length === 1) return healthcheck({ live: false });
  const { parseCommand } = await import("./cli.ts");
  const command = parseCommand(argv);
  return (COMMANDS[command.name] as (command: Command) => Promise<number>)(command);
}

async function run(command: RunCommand): Promise<number> {
  const { run } = await import("./run.ts");
  const { world, cause } = await openWorld();
  const appExitCode = () => Number(process.exitCode ?? 0);
  process.exitCode = undefined;
  return run(command, { ...world, cause, terminal: isTerminal(), appExitCode });
}

async function check({ config, json, writeSchema }: Extract<Command, { name: "check" }>): Promise<number> {
  const { check } = await import("./check.ts");
  const { world, cause } = await openWorld(json ? () => {} : undefined);
  const request = { config, app: undefined, args: [], writeSchema };
  return check(request, { ...world, cause, terminal: true, appExitCode: () => 0 }, json ? print : undefined);
}

async function migrate({ config }: Extract<Command, { name: "migrate" }>): Promise<number> {
  const { runMigrate } = await import("./run.ts");
  const { world, cause } = await openWorld();
  const request = { config, app: undefined, args: [] };
  return runMigrate(request, { ...world, cause, terminal: isTerminal(), appExitCode: () => 0 });
}

/** Asks where the socket usually is; the config, which may name another place, is loaded only when nobody answers there. */
async function healthcheck({
  live,
  config,
}: {
  live: boolean;
  config?: string | undefined;
}): Promise<number> {
  const { healthcheck } = await import("./healthcheck.ts");
  let result = config === undefined ? await healthcheck(socketsToAsk(process.cwd()), live) : undefined;
  if (!result?.answered) result = await healthcheck(await findSockets(config), live);
  tell(result.message);
  process.exit(result.healthy ? 0 : 1);
}

async function secrets({ config, action, json }: Extract<Command, { name: "secrets" }>): Promise<number> {
  const { askContainer } = await import("./admin/client.ts");
  return askContainer(await findSockets(config), action, { json, print });
}

async function version(): Promise<number> {
  const { VERSION } = await import("./version.ts");
  print(`sallyport ${VERSION} (node ${process.version})`);
  return 0;
}

async function help(): Promise<number> {
  print((await import("./cli.ts")).HELP.trimEnd());
  return 0;
}

async function openWorld(write?: (line: string) => void) {
  const [{ createMask }, { maskOutput }, { createStatus }, { watchForStop }] = await Promise.all([
    import("./guard/mask.ts"),
    import("./guard/output.ts"),
    import("./status.ts"),
    import("./shutdown.ts"),
  ]);
  // Before anything else: as PID 1, a signal that nobody handles is lost.
  const { signal, cause } = watchForStop(process, (code) => process.exit(code));
  const created = createMask();
  mask = created;
  const log = await openLog(write);
  maskOutput(created, { entrypoint: process.argv[1] ?? "", log, exit: (code) => process.exit(code) });
  const world: World = {
    // As it was at first: a refresh logs in again when the bootstrap variables are deleted.
    env: { ...process.env },
    cwd: process.cwd(),
    log,
    mask: created,
    status: createStatus(),
    signal,
    closers: [],
    handedOver: process.execArgv.length > 0 ? (await import("./guard/harden.ts")).takeOver() : {},
    replace: (options, env) => {
      const argv = [process.argv0, ...options, ...process.execArgv, ...process.argv.slice(1)];
      process.execve?.(process.execPath, argv, env);
    },
    forget: (name) => {
      delete process.env[name];
    },
    onHangup(listener) {
      // A terminal that closes means the end; nobody closes one on PID 1.
      if (process.pid === 1 || !isTerminal()) process.on("SIGHUP", listener);
    },
  };
  // It asks for a refresh, for which the boot is too early; without a listener it would end the process.
  world.onHangup(() => {});
  return { world, cause };
}

async function openLog(write?: (line: string) => void) {
  const { createLog } = await import("./log.ts");
  const color = isTerminal() && !process.env.NO_COLOR && process.env.TERM !== "dumb";
  return createLog({
    write: write ?? ((line) => void process.stderr.write(line)),
    mask: (text) => mask.apply(text),
    hides: (text) => mask.hides(text),
    terminal: isTerminal(),
    color: color || Boolean(process.env.FORCE_COLOR && process.env.FORCE_COLOR !== "0"),
  });
}

/** CI systems give a terminal to some jobs, and no person. */
function isTerminal(): boolean {
  return process.stderr.isTTY === true && !process.env.CI;
}

async function findSockets(config: string | undefined): Promise<string[]> {
  const { loadAdminSocket } = await import("./config/config.ts");
  const socket = await loadAdminSocket({ cwd: process.cwd(), file: config }).catch(() => undefined);
  return socket === undefined ? socketsToAsk(process.cwd()) : [socket];
}

/** `process.exit` drops what a slow reader of our pipes has not taken yet; a dead one must not hold the exit. */
async function exit(code: number): Promise<never> {
  const flushed = [process.stdout, process.stderr].map(
    (stream) => new Promise((resolve) => stream.write("", resolve)),
  );
  await Promise.race([Promise.all(flushed), new Promise((resolve) => setTimeout(resolve, FLUSH_MS))]);
  process.exit(code);
}

/** Making a stream takes longer than the probe's own work. When nobody listens, the exit code says it all. */
function tell(text: string): void {
  try {
    writeSync(1, `${text}\n`);
  } catch {}
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
