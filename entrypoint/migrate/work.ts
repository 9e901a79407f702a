/** Does what a migration says: its statements one after another, or its module's `up`. */
import { pathToFileURL } from "node:url";
import type { Session } from "../database/session.ts";
import type { Migration } from "./migration.ts";

/** @param settings the app's settings, for modules that need one */
export function runContent(
  session: Session,
  settings: object,
): (content: Migration["content"]) => Promise<void> {
  return async (content) => {
    if ("statements" in content) {
      for (const statement of content.statements) await session.run(statement);
      return;
    }
    const { up } = (await import(pathToFileURL(content.path).href)) as { up?: unknown };
    if (typeof up !== "function") throw new Error("it exports no function up(session, settings)");
    await up({ run: session.run, query: session.query }, settings);
  };
}
