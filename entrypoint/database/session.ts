/** The extension point: one connection to a database, whatever its dialect. */

export type Row = Readonly<Record<string, unknown>>;

/**
 * One connection. For implementers: one statement runs at a time; errors of statements are thrown as `StatementError`, faults
 * that may pass while connecting as `TransientError`. No password and no parameter goes into a message.
 */
export interface Session {
  /** One or several statements, as they stand in a file. */
  run(script: string): Promise<void>;
  query(sql: string, parameters?: readonly unknown[]): Promise<Row[]>;
  /** Ends the statement that runs now, from outside. It then fails with a `StatementError`. */
  cancel(): Promise<void>;
  /** Aborted when the connection breaks; what was held on it is gone. */
  readonly lost: AbortSignal;
  close(): Promise<void>;
}

/** What the database says of a statement: its code and its words, but not the row that it quotes. */
export class StatementError extends Error {
  override readonly name = "StatementError";
  /** SQLSTATE, or the dialect's own name of the error. */
  readonly code: string;
  /** Where in the script, from 1; `undefined` where the database does not say. */
  readonly position: number | undefined;

  constructor(code: string, message: string, position?: number) {
    super(message);
    this.code = code;
    this.position = position;
  }
}
