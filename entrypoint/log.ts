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
  /** Applied to each line last of all: blanks out known secret values. */
  mask(line: string): string;
  terminal: boolean;
  color: boolean;
  now?: () => Date;
}

export function createLog({ write, mask, terminal, color, now = () => new Date() }: LogTarget): Log {
  return (level, event, message, fields = {}) => {
    // Twice, so that it stands in front and a field of the same name does not take its place.
    const head = { time: now().toISOString(), level, event, message };
    const line = terminal
      ? renderForPeople(level, event, message, fields, color)
      : JSON.stringify({ ...head, ...fields, ...head });
    if (line !== undefined) write(`${mask(line)}\n`);
  };
}

const MARKS = {
  debug: ["·", "dim"],
  info: ["✔", "green"],
  warn: ["!", "yellow"],
  error: ["✖", "red"],
} as const;

function renderForPeople(
  level: Level,
  event: string,
  message: string,
  fields: LogFields,
  color: boolean,
): string | undefined {
  // The audit trail is for the log store; on a terminal it would bury the checklist.
  if (event === "secret.fetched") return undefined;
  const paint = (style: Parameters<typeof styleText>[0], text: string) =>
    color ? styleText(style, text, { validateStream: false }) : text;
  const [mark, style] = MARKS[level];
  const { phase, subject, ms, stack } = fields;
  const columns = [
    paint(style, mark),
    phase === undefined ? "" : String(phase).padEnd(9),
    phase !== undefined && ms !== undefined ? paint("dim", `${ms} ms`.padStart(8)) : "",
    subject === undefined ? "" : String(subject).padEnd(20),
    message,
  ];
  const indent = subject === undefined ? "" : "  ";
  const below = typeof stack === "string" ? `\n${paint("dim", stack)}` : "";
  return indent + columns.filter((column) => column !== "").join(" ") + below;
}
