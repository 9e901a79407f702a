/** The mask in worker threads: what they write to descriptors themselves, as pino's transports do, goes past the main thread's streams. */
import { syncBuiltinESMExports } from "node:module";
import type { WorkerOptions } from "node:worker_threads";
import { type Channel, createChannel } from "./channel.ts";
import { maskFileWrites } from "./file-writes.ts";
import { createMask, type Mask } from "./mask.ts";

/** What the app gets, too, and not a copy of it. */
const threads = process.getBuiltinModule("node:worker_threads");

/** Under it a thread finds what is to be blanked out, and hears of what comes later. */
const KEY = "sallyport.mask";
const HOLD_MS = 20;

type Values = readonly (readonly [name: string, value: unknown])[];
interface News {
  readonly values?: Values;
  readonly hit?: readonly string[];
  /** A thread has opened its ears, and may have missed something since it was made. */
  readonly asked?: boolean;
}

/**
 * From now on every thread loads `entrypoint` before its own code.
 * @param onHit hears of what threads were about to show
 */
export function maskWorkers(
  mask: Mask,
  entrypoint: string,
  onHit: (names: ReadonlySet<string>) => void,
): void {
  let news: Channels | undefined;
  const openNews = () => {
    if (news) return;
    const tell = (values: Values) => news?.postMessage({ values } satisfies News);
    news = openChannel(({ hit, asked }) => {
      if (hit) onHit(new Set(hit));
      if (asked) tell(mask.held());
    });
    mask.watch((added) => tell([added]));
  };
  const start = (make: (execArgv: readonly string[]) => object, inherited: readonly string[]): object => {
    openNews();
    threads.setEnvironmentData(KEY, mask.held() as never);
    // Not `--import`: Node does not wait for it, or passes over it, when a thread's code comes as a text.
    // As with `harden`, the sign is a package condition that nobody uses.
    const own = ["-C", "sallyport.thread", "--require", entrypoint];
    try {
      return make([...inherited, ...own]);
    } catch (error) {
      // V8's options hold for the whole process, and must not be said again to a thread.
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== "ERR_WORKER_INVALID_EXEC_ARGV") throw error;
      return make([...inherited.filter((option) => !message.includes(option)), ...own]);
    } finally {
      threads.setEnvironmentData(KEY, undefined as never);
    }
  };
  const Worker = new Proxy(threads.Worker, {
    construct(target, [file, options]: [unknown, WorkerOptions?], self) {
      const make = (execArgv: readonly string[]) =>
        Reflect.construct(target, [file, { ...options, execArgv }], self) as object;
      return start(make, options?.execArgv ?? process.execArgv);
    },
  });
  Object.assign(threads, { Worker });
  syncBuiltinESMExports();
}

/** In a thread, before its own code. */
export function maskThisWorker(): void {
  // Nobody else is to see our options: a child that is forked here would start as if it were such a thread.
  const [entrypoint = ""] = process.execArgv.splice(-4).slice(-1);
  const values = threads.getEnvironmentData(KEY) as unknown as Values | undefined;
  if (!values) return;
  const mask = createMask();
  const addAll = (values: Values) => {
    for (const [name, value] of values) mask.add(name, value);
  };
  addAll(values);
  const news = openChannel(({ values = [] }) => addAll(values));
  news.postMessage({ asked: true } satisfies News);
  const onHit = (names: ReadonlySet<string>) => news.postMessage({ hit: [...names] } satisfies News);
  maskFileWrites(new Map([1, 2].map((fd) => [fd, openDescriptor(fd, mask, onHit)])));
  maskWorkers(mask, entrypoint, onHit);
}

/** What stays behind goes out by the same way, a moment later. */
function openDescriptor(fd: number, mask: Mask, onHit: (names: ReadonlySet<string>) => void): Channel {
  const { writeSync } = process.getBuiltinModule("node:fs");
  let timer: NodeJS.Timeout | undefined;
  const release = () => {
    const rest = channel.release();
    if (rest.length > 0) writeSync(fd, rest);
  };
  const channel = createChannel(mask, {
    onHit,
    onHold() {
      timer ??= setTimeout(release, HOLD_MS).unref();
      timer.refresh();
    },
  });
  process.once("exit", () => {
    release();
    channel.stopHolding();
  });
  return channel;
}

type Channels = InstanceType<typeof BroadcastChannel>;

function openChannel(hear: (news: News) => void): Channels {
  const channel = new BroadcastChannel(KEY);
  channel.onmessage = ({ data }: MessageEvent) => void hear(data);
  (channel as unknown as { unref(): void }).unref();
  return channel;
}
