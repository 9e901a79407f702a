/** A process that migrates: its arguments are the database's URL and a folder, it prints the name of each file that it begins. */
import { readFolder } from "../../entrypoint/migrate/folder.ts";
import { openUrl, run } from "./run.ts";

const [url = "", folder = ""] = process.argv.slice(2);
const books = await openUrl(url);
await run(books, await readFolder(folder), { progress: (what) => console.log(what) });
await books.close();
