/** The process edge: the only file that names `process.exit`, `process.argv` and `process.env`. */
import type { World } from "./boot.ts";
import type { Command, RunCommand } from "./cli.ts";
import { socketsToAsk } from "./socket-path.ts";

// Diagnostic reports list every variable of the environment unless told not to.
if (process.report) process.report.excludeEnv = true;

const COMMANDS = { run, healthcheck, check, secrets, version, help } as const;

process.exitCode = 70; // until a command says otherwise
main().then(
  (code) => process.exit(code),
  async (error) => process.exit((await import("./failure.ts")).logFailure(await openLog(), error)),
);

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

async function check({ config, json }: Extract<Command, { name: "check" }>): Promise<number> {
  const [{ check }, { reportCheck }] = await Promise.all([import("./boot.ts"), import("./check.ts")]);
  const { world } = await openWorld(json ? () => {} : undefined);
  return reportCheck(
    () => check({ config, app: undefined, args: [] }, world),
    world,
    json ? print : undefined,
  );
}

async function healthcheck({
  live,
  config,
}: {
  live: boolean;
  config?: string | undefined;
}): Promise<number> {
  const { healthcheck } = await import("./healthcheck.ts");
  const { healthy, message } = await healthcheck(await findSockets(config), live);
  print(message);
  return healthy ? 0 : 1;
}

async function secrets({ config, action, json }: Extract<Command, { name: "secrets" }>): Promise<number> {
  const { askContainer } = await import("./admin/client.ts");
  return askContainer(await findSockets(config), `/secrets/${action}`, { json, print });
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
  const [{ createMask }, { createStatus }, { watchForStop }] = await Promise.all([
    import("./guard/mask.ts"),
    import("./status.ts"),
    import("./shutdown.ts"),
  ]);
  // Before anything else: as PID 1, a signal that nobody handles is lost.
  const { signal, cause } = watchForStop(process, (code) => process.exit(code));
  const mask = createMask();
  const world: World = {
    env: process.env,
    cwd: process.cwd(),
    log: await openLog(mask.apply, write),
    mask,
    status: createStatus(),
    signal,
    closers: [],
    forget: (name) => {
      delete process.env[name];
    },
  };
  return { world, cause };
}

async function openLog(mask: (line: string) => string = (line) => line, write?: (line: string) => void) {
  const { createLog } = await import("./log.ts");
  const color = isTerminal() && !process.env.NO_COLOR && process.env.TERM !== "dumb";
  return createLog({
    write: write ?? ((line) => void process.stderr.write(line)),
    mask,
    terminal: isTerminal(),
    color: color || Boolean(process.env.FORCE_COLOR && process.env.FORCE_COLOR !== "0"),
  });
}

/** CI systems give a terminal to some jobs, and no person. */
function isTerminal(): boolean {
  return process.stderr.isTTY === true && !process.env.CI;
}

async function findSockets(config: string | undefined): Promise<string[]> {
  const { existsSync } = await import("node:fs");
  const paths = socketsToAsk(process.cwd());
  if (config === undefined && paths.some((path) => existsSync(path))) return paths;
  const { loadAdminSocket } = await import("./config/config.ts");
  const socket = await loadAdminSocket({ cwd: process.cwd(), file: config }).catch(() => undefined);
  return socket === undefined ? paths : [socket];
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
