/** Does what a migration says: its statements one after another, or its module's `up`. */
import { pathToFileURL } from "node:url";
import type { Session } from "../database/session.ts";
import type { Migration } from "./migration.ts";

/** `end` is looked at between statements: after it nothing more is begun. */
export type Run = (content: Migration["content"], end: AbortSignal) => Promise<void>;

/** @param settings the app's settings, for modules that need one */
export function runContent(session: Session, settings: object): Run {
  return async (content, end) => {
    if ("statements" in content) {
      for (const statement of content.statements) {
        end.throwIfAborted();
        await session.run(statement);
      }
      return;
    }
    const { up } = (await import(pathToFileURL(content.path).href)) as { up?: unknown };
    if (typeof up !== "function") throw new Error("it exports no function up(session, settings)");
    await up({ run: session.run, query: session.query }, settings);
  };
}
