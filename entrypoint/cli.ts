/** The words and flags of the command line. */
import { SallyportError } from "./errors.ts";
import { suggestion } from "./suggestion.ts";

interface Common {
  /** From `--config`. */
  readonly config: string | undefined;
}

export interface RunCommand extends Common {
  readonly name: "run";
  readonly app: string | undefined;
  /** For the app, untouched. */
  readonly args: readonly string[];
}

const SECRETS_ACTIONS = ["health", "status", "refresh"] as const;

export type SecretsAction = (typeof SECRETS_ACTIONS)[number];

export type Command =
  | RunCommand
  | (Common & { readonly name: "healthcheck"; readonly live: boolean })
  | (Common & { readonly name: "check"; readonly json: boolean; readonly writeSchema: boolean })
  | (Common & { readonly name: "migrate" })
  | (Common & { readonly name: "secrets"; readonly action: SecretsAction; readonly json: boolean })
  | { readonly name: "version" | "help" };

const FLAGS = {
  run: ["--config"],
  healthcheck: ["--config", "--live"],
  check: ["--config", "--json", "--write-schema"],
  migrate: ["--config"],
  secrets: ["--config", "--json"],
  version: [],
  help: [],
} as const satisfies Record<Command["name"], readonly string[]>;

const NAMES = Object.keys(FLAGS) as Command["name"][];

/** @throws {SallyportError} USAGE_INVALID with the nearest valid word */
export function parseCommand(argv: readonly string[]): Command {
  if (!isApp(argv[0] ?? "") && argv.slice(0, 2).some((word) => word === "--help" || word === "-h"))
    return { name: "help" };
  if (argv[0] === "--version" || argv[0] === "-v") return { name: "version" };
  const first = argv[0];
  const isName = NAMES.some((name) => name === first);
  if (first === undefined || first.startsWith("-") || isApp(first)) return parseRun(argv);
  if (!isName) throw usage(`unknown command '${first}'${suggestion(first, NAMES)}`);
  const name = first as Command["name"];
  if (name === "run") return parseRun(argv.slice(1));
  const { words, flags, config } = parseFlags(name, argv.slice(1));
  if (name === "secrets") return { name, config, json: flags.has("--json"), action: parseAction(words) };
  if (words[0] !== undefined) throw usage(`'${name}' takes no word, but '${words[0]}' follows it`);
  if (name === "healthcheck") return { name, config, live: flags.has("--live") };
  if (name === "check")
    return { name, config, json: flags.has("--json"), writeSchema: flags.has("--write-schema") };
  return name === "migrate" ? { name, config } : { name };
}

/** A path, or the `node` of an existing `CMD ["node", "server.js"]`, which becomes our arguments as it is. */
function isApp(word: string): boolean {
  return word === "node" || /[./\\]/.test(word);
}

function parseRun(argv: readonly string[]): RunCommand {
  let at = 0;
  let config: string | undefined;
  for (; argv[at]?.startsWith("-"); at++) {
    const { flag, value } = split("run", argv[at] as string);
    config = value ?? argv[++at];
    if (!config) throw usage(`${flag} needs a file`);
  }
  if (argv[at] === "node") at++;
  const [app, ...args] = argv.slice(at);
  if (app?.startsWith("-")) {
    throw usage(
      `Node's own option '${app}' can't follow here; put it into the ENTRYPOINT: ["node", "${app}", "entrypoint.mjs"]`,
    );
  }
  return { name: "run", config, app, args };
}

function parseFlags(
  name: Command["name"],
  argv: readonly string[],
): { words: string[]; flags: Set<string>; config: string | undefined } {
  const words: string[] = [];
  const flags = new Set<string>();
  let config: string | undefined;
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] as string;
    if (!word.startsWith("-")) {
      words.push(word);
      continue;
    }
    const { flag, value } = split(name, word);
    flags.add(flag);
    if (flag !== "--config") continue;
    config = value ?? argv[++at];
    if (!config) throw usage("--config needs a file");
  }
  return { words, flags, config };
}

/** `--config=FILE` or `--config FILE`. */
function split(name: Command["name"], word: string): { flag: string; value: string | undefined } {
  const equals = word.indexOf("=");
  const flag = equals < 0 ? word : word.slice(0, equals);
  const allowed: readonly string[] = FLAGS[name];
  if (!allowed.includes(flag)) throw usage(`unknown flag '${flag}' of '${name}'${suggestion(flag, allowed)}`);
  if (equals >= 0 && flag !== "--config") throw usage(`${flag} takes no value`);
  return { flag, value: equals < 0 ? undefined : word.slice(equals + 1) };
}

function parseAction([word, extra]: readonly string[]): SecretsAction {
  if (word === undefined) throw usage(`'secrets' needs a word: ${SECRETS_ACTIONS.join(", ")}`);
  const action = SECRETS_ACTIONS.find((it) => it === word);
  if (!action) throw usage(`unknown word '${word}' of 'secrets'${suggestion(word, SECRETS_ACTIONS)}`);
  if (extra !== undefined) throw usage(`'secrets ${action}' takes no word, but '${extra}' follows it`);
  return action;
}

function usage(message: string): SallyportError {
  return new SallyportError("USAGE_INVALID", message, { hint: "See: node entrypoint.mjs help" });
}

export const HELP = `Sallyport: the entrypoint for Node containers that have no shell.

  node entrypoint.mjs [run] [app] [args...]   fetch the secrets, check them, start the app
  node entrypoint.mjs healthcheck [--live]    exit 0 when ready; with --live also while the boot makes progress
  node entrypoint.mjs check [--json]          report everything that is wrong; starts nothing, changes nothing
  node entrypoint.mjs check --write-schema    write what the live database has into the file of database.expect
  node entrypoint.mjs migrate                 boot up to the schema check, then exit: a release task of its own
  node entrypoint.mjs secrets health [--json] ask the running container about its startup fetch
  node entrypoint.mjs secrets status          log in anew with the credentials it holds, and tell how old everything is
  node entrypoint.mjs secrets refresh         fetch new values, prove that they work, and only then use them
  node entrypoint.mjs version
  node entrypoint.mjs help

  --config FILE   instead of sallyport.config.json (.mjs, .ts) in the working directory
`;
