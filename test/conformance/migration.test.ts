/** What every store and lock of migrations must do, whatever the database is. */
import { after, before, describe } from "node:test";
import type { Books } from "../../entrypoint/migrate/books.ts";
import { lockClaims, serverClaims } from "./lock-claims.ts";
import { errorClaims, storeClaims } from "./store-claims.ts";
import { type RemotePlace, SUBJECTS, type Subject, type WithBooks } from "./stores.ts";

for (const subject of SUBJECTS) {
  describe(subject.name, { skip: subject.skip }, () => {
    let stage: Awaited<ReturnType<Subject["start"]>>;
    before(async () => {
      stage = await subject.start();
    });
    after(() => stage?.[Symbol.asyncDispose]());

    const withBooks: WithBooks = (work) => async () => {
      const place = await stage.create();
      const opened: Books[] = [];
      const more = async () => {
        const books = await place.open();
        opened.push(books);
        return books;
      };
      try {
        await work(await more(), place, more);
      } finally {
        for (const { close } of opened) await close();
      }
    };

    storeClaims(withBooks);
    errorClaims(subject, withBooks);
    lockClaims(subject, () => stage.create(), withBooks);
    if (subject.remote) serverClaims(() => stage.create() as Promise<RemotePlace>);
  });
}
