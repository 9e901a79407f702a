/** The bootstrap room: the few values that it takes to log in to a manager which knows no workload identity. */
import { join } from "node:path";
import { errorName, type Problem, SallyportError } from "../errors.ts";
import type { Log } from "../log.ts";
import { readRegularFile } from "../regular-file.ts";
import { Secret } from "../secret.ts";

export interface BootstrapOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
  /** Where the platform mounts secret files. */
  readonly directory?: string;
}

const MOUNTED = "/run/secrets";
const LARGEST_BYTES = 64 * 1024;

/**
 * For each name: the file that `NAME_FILE` names, else `/run/secrets/name`, else the variable, with a warning.
 * @throws {SallyportError} BOOTSTRAP_INVALID with every value that is missing, empty or unreadable
 */
export async function loadBootstrap(
  names: readonly string[],
  options: BootstrapOptions,
): Promise<Map<string, Secret>> {
  const problems: Problem[] = [];
  const values = new Map<string, Secret>();
  for (const name of names) {
    const found = await loadValue(name, options);
    if (found instanceof Secret) values.set(name, found);
    else problems.push(found);
  }
  if (problems.length > 0) {
    const count = problems.length === 1 ? "a bootstrap value is" : `${problems.length} bootstrap values are`;
    throw new SallyportError(
      "BOOTSTRAP_INVALID",
      `${count} missing or unreadable, so there is no way to log in`,
      {
        hint: `Mount each as a file under ${MOUNTED}, readable by the container's user.`,
        problems,
      },
    );
  }
  return values;
}

/** Where the value of this name is read from, when there is such a file. */
export function bootstrapFile(name: string, env: BootstrapOptions["env"], directory = MOUNTED): string {
  return env[`${name}_FILE`] || join(directory, name.toLowerCase());
}

async function loadValue(
  name: string,
  { env, log, directory = MOUNTED }: BootstrapOptions,
): Promise<Secret | Problem> {
  const named = env[`${name}_FILE`];
  const mounted = join(directory, name.toLowerCase());
  if (named) {
    const subject = `${name}_FILE names ${named}, which`;
    return (await readValue(name, named, subject)) ?? problem(name, `${subject} does not exist`);
  }
  const value = await readValue(name, mounted, mounted);
  if (value) return value;

  const variable = env[name];
  if (!variable) return problem(name, `no file ${mounted}, no ${name}_FILE, no variable`, "missing");
  log(
    "warn",
    "bootstrap.exposed",
    `${name} comes from a variable, which docker inspect shows; mount it as ${mounted}`,
    { name },
  );
  return checked(name, variable, `the variable ${name}`);
}

/** `undefined` where there is no such file. */
async function readValue(name: string, path: string, subject: string): Promise<Secret | Problem | undefined> {
  try {
    return checked(name, (await readRegularFile(path, LARGEST_BYTES)).bytes.toString("utf8"), subject);
  } catch (error) {
    const code = errorName(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    const uid = process.getuid?.();
    if (code === "EACCES")
      return problem(
        name,
        `${subject} can't be read by uid ${uid}; give it to that user or make it readable`,
      );
    return problem(name, `${subject} can't be read (${code})`);
  }
}

/** No login value has lines; a second one is a file that was pasted together. */
function checked(name: string, text: string, subject: string): Secret | Problem {
  const value = text.replace(/^\uFEFF/, "").replace(/[\r\n]+$/, "");
  if (value === "") return problem(name, `${subject} is empty`);
  if (/[\r\n]/.test(value)) return problem(name, `${subject} has more than one line`);
  return new Secret(value, subject);
}

function problem(subject: string, message: string, kind: "missing" | "invalid" = "invalid"): Problem {
  return { subject, message, kind };
}
