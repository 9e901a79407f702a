/** How anything here is measured: peers take turns, the first round is for warming up, and the median counts. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

/** What a peer's turn yields: milliseconds, megabytes, requests a second, under names of its own. */
export type Sample = Readonly<Record<string, number>>;

export interface Peer {
  readonly name: string;
  turn(): Promise<Sample>;
  /** When one of its turns takes long, it gets fewer. */
  readonly runs?: number;
}

/** By peer, then by what was measured: the median. */
export type Medians = Readonly<Record<string, Sample>>;

export async function interleave(title: string, peers: readonly Peer[], runs: number): Promise<Medians> {
  const samples = new Map<string, Sample[]>(peers.map(({ name }) => [name, []]));
  for (let round = 0; round <= runs; round++) {
    showProgress(title, `${round} of ${runs}`);
    // Another one begins each round, so that nobody always comes after the same neighbour.
    for (const index of peers.keys()) {
      const peer = peers[(index + round) % peers.length] as Peer;
      if (round > (peer.runs ?? runs)) continue;
      const sample = await peer.turn();
      if (round > 0) samples.get(peer.name)?.push(sample);
    }
  }
  return Object.fromEntries([...samples].map(([name, all]) => [name, medians(all)]));
}

let shown = "";

/** A person sees it move; a log gets a line for each title. */
export function showProgress(title: string, progress: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${title}: ${progress}`);
  else if (title !== shown) process.stderr.write(`${title}\n`);
  shown = title;
}

function medians(samples: readonly Sample[]): Sample {
  const names = Object.keys(samples[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, median(samples.map((it) => it[name] as number))]));
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] as number) + (sorted[Math.floor(middle)] as number)) / 2;
}

export interface Command {
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What its first line has to say. */
  readonly says?: string;
}

/** Milliseconds from the start of the process to its first line, and to its end. */
export async function timeFirstLine(what: Command): Promise<Sample> {
  const started = performance.now();
  const child = start(what);
  const exit = once(child, "close");
  const [first] = await Promise.race([once(child.stdout as NodeJS.ReadableStream, "data"), exit]);
  const ms = performance.now() - started;
  const [code] = await exit;
  if (!String(first).startsWith(what.says ?? "") || code !== 0) throw failed(what, code, first);
  return { ms };
}

/** Milliseconds to the end of the process. */
export async function timeExit(what: Command): Promise<Sample> {
  const started = performance.now();
  const child = start(what);
  child.stdout?.resume();
  const [code] = await once(child, "close");
  if (code !== 0) throw failed(what, code);
  return { ms: performance.now() - started };
}

function failed({ command }: Command, code: unknown, said: unknown = ""): Error {
  return new Error(`${command.join(" ")} exited with ${code}, and said: ${said}`);
}

export function start({ command: [program = "", ...args], cwd, env }: Command): ChildProcess {
  // Its log is read and dropped: a pipe that is full would hold it up.
  const child = spawn(program, args, { cwd, env: { PATH: process.env.PATH, ...env } });
  child.stderr?.resume();
  return child;
}

/** Stops it and waits for its end. */
export async function stop(child: ChildProcess): Promise<void> {
  const exit = once(child, "close");
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await exit;
}
