/** Finds what opens the process to others: options of Node's and variables that stand for them. */
import type { Exposure } from "./exposure.ts";

interface Rule {
  readonly option: RegExp;
  readonly isSevere: boolean;
  readonly message: string;
}

const RULES: readonly Rule[] = [
  {
    option: /^--inspect(-brk|-wait|-brk-node)?$/,
    isSevere: true,
    message: "opens the inspector: whoever reaches its port reads all memory",
  },
  {
    option: /^--heapsnapshot-(signal|near-heap-limit)$/,
    isSevere: true,
    message: "writes all memory, and every secret in it, to a file",
  },
  {
    option: /^--(tls-keylog|trace-tls)$/,
    isSevere: true,
    message: "gives away what is sent over TLS",
  },
  {
    option: /^--abort-on-uncaught-exception$/,
    isSevere: false,
    message: "ends a crash with a core dump of all memory, where the system allows one",
  },
  {
    option: /^--env-file(-if-exists)?$/,
    isSevere: false,
    message: "puts the variables of a file into the environment, from where children inherit them",
  },
  {
    option: /^--(experimental-(default-)?)?config-file$/,
    isSevere: false,
    message: "takes options of Node's from a file, where nothing looks for what opens the process",
  },
];

/** @param execArgv what stands before the script @param env for `NODE_OPTIONS` and its like */
export function checkNodeOptions(
  execArgv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Exposure[] {
  const given = [
    ...execArgv.map((text) => ({ text, where: "" })),
    ...(env.NODE_OPTIONS ?? "").split(/\s+/).map((text) => ({ text, where: " (in NODE_OPTIONS)" })),
  ];
  const options = given.flatMap(({ text, where }) => {
    // Node takes underscores for dashes.
    const [subject = ""] = text.replace(/^"|"$/g, "").replaceAll("_", "-").split("=");
    const rule = RULES.find(({ option }) => option.test(subject));
    return rule ? [{ subject, message: rule.message + where, isSevere: rule.isSevere }] : [];
  });
  return [...options, ...checkVariables(env)];
}

function checkVariables(env: Readonly<Record<string, string | undefined>>): Exposure[] {
  const found: Exposure[] = [];
  if (env.NODE_TLS_REJECT_UNAUTHORIZED === "0") {
    found.push({
      subject: "NODE_TLS_REJECT_UNAUTHORIZED",
      message: "takes any certificate for the right one: whoever stands in between reads along",
      isSevere: true,
    });
  }
  for (const subject of ["NODE_DEBUG", "NODE_DEBUG_NATIVE"]) {
    if (env[subject])
      found.push({ subject, message: "prints what Node sends and receives", isSevere: false });
  }
  return found;
}
