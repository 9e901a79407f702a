/** Starts Node once more in the place of this process, closed to debuggers and without bootstrap variables in its environment. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { SallyportError } from "../errors.ts";

type Variables = Readonly<Record<string, string | undefined>>;

export interface ProcessToHarden {
  readonly env: Variables;
  /** Names of variables that must not be there the second time. */
  readonly confidential: readonly string[];
  /** `execve`: the same process, PID 1 too, with these options of Node's and this environment. It only returns where there is none. */
  readonly replace: (options: readonly string[], env: Record<string, string>) => void;
}

const OPTIONS = ["--disable-sigusr1", "--report-exclude-env"];
/** On tmpfs: what stands there for a moment never comes to a disk. */
const PLACES = ["/dev/shm", "/run"];
const PREFIX = "sallyport.hardened";

/**
 * Comes back only when this is the second start. The sign for that is a package condition that nobody uses, among the
 * options of Node's that the process was started with: a variable would be inherited by children. With the process id in
 * it, it means nothing to a child that was forked with the same options.
 * @throws {SallyportError} when it can't be done here
 */
export function harden({ env, confidential, replace }: ProcessToHarden): void {
  if (findSign()) return;
  const secrets = Object.fromEntries(confidential.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
  const id = crypto.randomUUID();
  if (Object.keys(secrets).length > 0) leave(id, secrets);
  const kept = Object.entries(env).filter(
    ([name, value]) => value !== undefined && !confidential.includes(name),
  );
  replace(
    [...OPTIONS, "-C", `${PREFIX}.${process.pid}.${id}`],
    Object.fromEntries(kept as [string, string][]),
  );
  throw new SallyportError("CONFIG_INVALID", "this Node or this system can't harden a process", {
    hint: 'It takes Linux and Node 22.15 or later; otherwise leave "harden" out.',
  });
}

/** The bootstrap variables that the first start was given. Their file is gone once this has been called. */
export function takeOver(): Readonly<Record<string, string>> {
  const id = findSign();
  if (id === undefined) return {};
  for (const place of PLACES) {
    const file = `${place}/sallyport-${id}`;
    try {
      return JSON.parse(readFileSync(file, "utf8"));
    } catch {
      // None was given, or it is in the other place.
    } finally {
      rmSync(file, { force: true });
    }
  }
  return {};
}

function findSign(): string | undefined {
  const start = `${PREFIX}.${process.pid}.`;
  return process.execArgv.find((option) => option.startsWith(start))?.slice(start.length);
}

function leave(id: string, secrets: object): void {
  for (const place of PLACES) {
    try {
      writeFileSync(`${place}/sallyport-${id}`, JSON.stringify(secrets), { mode: 0o600, flag: "wx" });
      return;
    } catch {
      // The next one may be writable.
    }
  }
  throw new SallyportError(
    "BOOTSTRAP_INVALID",
    `harden finds no writable folder in memory (${PLACES.join(", ")}) to take ${Object.keys(secrets).join(", ")} along`,
    { hint: "Mount these values as files under /run/secrets, which is better anyway." },
  );
}
