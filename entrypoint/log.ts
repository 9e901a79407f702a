/** Ground floor: one function, two renderings. A terminal gets a checklist, everything else one JSON object a line. */
import { styleText } from "node:util";

export type Level = "debug" | "info" | "warn" | "error";

type Plain = string | number | boolean | undefined;

/** Names, counts, versions and times. A `Secret`, a Buffer or any other object does not fit. */
export type LogFields = Readonly<Record<string, Plain | readonly string[] | Readonly<Record<string, Plain>>>>;

/** `event` is `noun.verbed`; `message` is the sentence that a person reads on a terminal. */
export type Log = (level: Level, event: string, message: string, fields?: LogFields) => void;

export interface LogTarget {
  /** Receives whole lines. */
  write(line: string): void;
  /** Blanks out known secret values in a text. */
  mask(text: string): string;
  /** Whether there may be one in it. */
  hides?(text: string): boolean;
  terminal: boolean;
  color: boolean;
  now?: () => Date;
}

export function createLog({
  write,
  mask,
  hides = (text) => mask(text) !== text,
  terminal,
  color,
  now = () => new Date(),
}: LogTarget): Log {
  return (level, event, message, fields = {}) => {
    const line = terminal
      ? renderForPeople({ level, event, message, fields }, mask, color)
      : renderAsJson({ time: now().toISOString(), level, event, message }, fields, { mask, hides });
    if (line !== undefined) write(`${line}\n`);
  };
}

/** What stands in front, whatever an app's fields are called. */
interface Head {
  readonly time: string;
  readonly level: Level;
  readonly event: string;
  readonly message: string;
}

/** Most lines have nothing to hide. Else values are masked one by one: one that looks like a key or a number must not break the line. */
function renderAsJson(
  head: Head,
  fields: LogFields,
  { mask, hides }: Required<Pick<LogTarget, "mask" | "hides">>,
): string {
  const texts: unknown[] = [];
  const collect = (_key: string, value: unknown) => {
    if (typeof value !== "object") texts.push(value);
    return value;
  };
  const line = JSON.stringify({ ...head, ...fields, ...head }, collect);
  if (!hides(texts.join("\n"))) return line;
  const hide = (key: string, value: unknown) => {
    if (key === "time" || key === "level" || key === "event") return value;
    if (typeof value === "string") return mask(value);
    if (typeof value !== "number") return value;
    const masked = mask(String(value));
    return masked === String(value) ? value : masked;
  };
  return JSON.stringify({ ...head, ...fields, ...head }, hide);
}

const MARKS = {
  debug: ["·", "dim"],
  info: ["✔", "green"],
  warn: ["!", "yellow"],
  error: ["✖", "red"],
} as const;

interface Line {
  readonly level: Level;
  readonly event: string;
  readonly message: string;
  readonly fields: LogFields;
}

function renderForPeople(
  { level, event, message, fields }: Line,
  mask: (text: string) => string,
  color: boolean,
): string | undefined {
  // The audit trail is for the log store; on a terminal it would bury the checklist.
  if (event === "secret.fetched") return undefined;
  const paint = (style: Parameters<typeof styleText>[0], text: string) =>
    color ? styleText(style, text, { validateStream: false }) : text;
  const [mark, style] = MARKS[level];
  const { phase, subject, ms, stack } = fields;
  const columns = [
    phase === undefined ? "" : String(phase).padEnd(9),
    phase !== undefined && ms !== undefined ? paint("dim", `${ms} ms`.padStart(8)) : "",
    subject === undefined ? "" : plain(mask(String(subject))).padEnd(20),
    plain(mask(message)),
  ];
  const indent = subject === undefined ? "" : "  ";
  const below = typeof stack === "string" ? `\n${paint("dim", mask(stack))}` : "";
  return `${indent}${paint(style, mark)} ${columns.filter((column) => column !== "").join(" ")}${below}`;
}

/** Names come from outside, too: one with control characters could write lines of its own. Our own hints have line breaks. */
function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, "?").replaceAll("\n", "\n    ");
}
