/** A real Docker engine: the image built on stand-ins for its bases, and containers as a careful operator runs them. */
import { type ExecFileException, execFile } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** One that is there already, or the one to build. */
export const IMAGE = process.env.IMAGE ?? "sallyport-test/example";
export const ENTRYPOINT = "/sallyport/entrypoint.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const HARDENING = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"];

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Why the suite can't run here, or `undefined`. */
export async function findObstacle(): Promise<string | undefined> {
  if (process.platform !== "linux")
    return "the stand-ins for the base images are made of files of a Linux machine";
  const { code } = await run("docker", ["version", "--format", "{{.Server.Version}}"]);
  return code === 0
    ? undefined
    : "no Docker engine answers; start one, and set DOCKER_HOST if it isn't at the usual socket";
}

/** As the README tells people without access to dhi.io to do; it takes a minute or two. */
export async function buildImage(): Promise<void> {
  if (process.env.IMAGE !== undefined) return;
  await succeed(process.execPath, ["docker/stand-in-base.mjs"]);
  const bases = ["DEV_BASE=stand-in/node:24-dev", "BASE=stand-in/node:24"];
  const args = bases.flatMap((base) => ["--build-arg", base]);
  await succeed("docker", ["build", "--network=host", "--tag", IMAGE, ...args, "."]);
}

/** `docker …`, and what it said. @throws when it fails */
export function docker(...args: readonly string[]): Promise<string> {
  return succeed("docker", args);
}

export interface ContainerOptions {
  /** An engine by hand has no bridge; on the host's network, a container reaches a fake on loopback. */
  readonly network: "host" | "none";
  readonly env: Readonly<Record<string, string>>;
  /** `host path:container path:ro` */
  readonly volumes?: readonly string[];
  readonly restart?: "always";
  /** An init of Docker's own as PID 1. */
  readonly init?: boolean;
}

export class Container {
  static #count = 0;
  readonly name = `sallyport-test-${process.pid}-${++Container.#count}`;

  /** Read-only, without a capability, without a way to gain one. */
  static async start(options: ContainerOptions): Promise<Container> {
    const { network, env, volumes = [], restart = "no", init = false } = options;
    const container = new Container();
    const variables = Object.entries(env).map(([name, value]) => `--env=${name}=${value}`);
    const mounts = volumes.map((volume) => `--volume=${volume}`);
    const life = [`--restart=${restart}`, `--init=${init}`];
    const place = [`--name=${container.name}`, `--network=${network}`, ...variables, ...mounts];
    await docker("run", "--detach", ...place, ...life, ...HARDENING, IMAGE);
    return container;
  }

  /** Runs a program in the container; its exit code is a result, not an error. */
  exec(...command: readonly string[]): Promise<Result> {
    return run("docker", ["exec", this.name, ...command]);
  }

  /** The value of a JavaScript expression, as a process in the container sees it. */
  async evaluate(expression: string): Promise<unknown> {
    const script = `process.stdout.write(JSON.stringify(${expression}))`;
    return JSON.parse(await docker("exec", this.name, "node", "--eval", script));
  }

  async inspect(): Promise<Inspected> {
    return JSON.parse(await docker("inspect", this.name))[0];
  }

  /** The names of the variables that `docker inspect` shows, sorted. */
  async variables(): Promise<string[]> {
    const { Config } = await this.inspect();
    return Config.Env.map((line) => line.replace(/=.*/s, "")).sort();
  }

  async logs(): Promise<string> {
    const { stdout, stderr } = await run("docker", ["logs", this.name]);
    return stdout + stderr;
  }

  /** Resolves when the image's own HEALTHCHECK says so. */
  async whenHealthy(): Promise<void> {
    await this.until("healthy", async () => (await this.inspect()).State.Health?.Status === "healthy");
  }

  async whenLogged(event: string): Promise<void> {
    await this.until(`past '${event}'`, async () => (await this.logs()).includes(`"${event}"`));
  }

  /** @throws with the log, when it ends or a minute passes before `holds` does */
  async until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = Date.now() + 60_000;
    while (!(await holds())) {
      const { State } = await this.inspect();
      if (State.Running && Date.now() < deadline) await delay(100);
      else throw new Error(`the container is ${State.Status}, not ${what}. Its log:\n${await this.logs()}`);
    }
  }

  /** @returns the exit code; 137 when it had to be killed after the grace period */
  async stop(graceSeconds: number): Promise<number> {
    await docker("stop", `--time=${graceSeconds}`, this.name);
    return (await this.inspect()).State.ExitCode;
  }

  async remove(): Promise<void> {
    await docker("rm", "--force", "--volumes", this.name);
  }
}

interface Inspected {
  readonly Config: { readonly Env: readonly string[] };
  readonly RestartCount: number;
  readonly State: {
    readonly Status: string;
    readonly Running: boolean;
    readonly ExitCode: number;
    readonly Health?: { readonly Status: string };
  };
}

async function succeed(program: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(program, args);
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${code}:\n${stdout}${stderr}`);
  return stdout;
}

function run(program: string, args: readonly string[]): Promise<Result> {
  return new Promise((resolve) => {
    const done = (error: ExecFileException | null, stdout: string, stderr: string) => {
      // A program that isn't there has a word for its code.
      const code = error ? Number(error.code) || 127 : 0;
      resolve({ code, stdout, stderr: stderr || (error?.message ?? "") });
    };
    execFile(program, args, { cwd: ROOT, maxBuffer: 64 * 1024 * 1024 }, done);
  });
}
