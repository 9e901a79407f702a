/** Every store with its lock, behind one way to make a database, open its books and break its connections. */
import { join } from "node:path";
import type { Books } from "../../entrypoint/migrate/books.ts";
import { makeFolder } from "../folder.ts";
import { openUrl } from "../migrate/run.ts";
import * as mariadb from "../servers/mariadb.ts";
import * as postgres from "../servers/postgres.ts";
import { createMemoryDatabase, openMemoryBooks } from "./memory-store.ts";

/** One empty database. */
export interface Place {
  open(): Promise<Books>;
  tables(): Promise<string[]>;
}

export interface RemotePlace extends Place {
  readonly url: string;
  /** Ends all of its connections from the server's side. */
  sever(): Promise<void>;
}

/** A test on a fresh database, with as many processes' books as it asks for. */
export type WithBooks = (
  work: (books: Books, place: Place, more: () => Promise<Books>) => Promise<void>,
) => () => Promise<void>;

interface Stage<P extends Place> extends AsyncDisposable {
  create(): Promise<P>;
}

interface Common {
  readonly name: string;
  /** Why it can't be tested here. */
  readonly skip: string | false;
  /** Who holds the lock, as the loser is told. */
  readonly holder: RegExp;
  /** Stands for a parameter. */
  readonly mark: "?" | "$1";
}

export type Subject =
  | (Common & { readonly remote: false; start(): Promise<Stage<Place>> })
  | (Common & { readonly remote: true; start(): Promise<Stage<RemotePlace>> });

export const SUBJECTS: readonly Subject[] = [
  {
    name: "memory",
    skip: false,
    remote: false,
    holder: /^somebody in this process$/,
    mark: "?",
    start: async () => ({
      async create() {
        const database = createMemoryDatabase();
        const tables = async () => [
          ...database.tables.keys(),
          ...(database.records ? ["sallyport_migrations"] : []),
        ];
        return { open: async () => openMemoryBooks(database), tables };
      },
      [Symbol.asyncDispose]: async () => {},
    }),
  },
  {
    name: "sqlite",
    skip: false,
    remote: false,
    holder: /^another process$/,
    mark: "?",
    start: async () => ({
      create: async () =>
        place(
          `sqlite:${join(makeFolder(), "shop.db")}`,
          "select name from sqlite_schema where type = 'table' and name <> 'sqlite_sequence'",
        ),
      [Symbol.asyncDispose]: async () => {},
    }),
  },
  {
    name: "postgres",
    skip: false,
    remote: true,
    holder: /^sallyport, pid \d+, from \S+, for \d+ s$/,
    mark: "$1",
    async start() {
      const server = await postgres.startPostgres();
      const list = "select tablename as name from pg_tables where schemaname = current_schema()";
      return {
        async create() {
          const url = await server.createDatabase();
          const sever = async () =>
            void (await postgres.query(
              server.url,
              "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1",
              [nameOf(url)],
            ));
          return { ...place(url, list), url, sever };
        },
        [Symbol.asyncDispose]: server.close,
      };
    },
  },
  {
    name: "mariadb",
    skip: mariadb.noMariadb,
    remote: true,
    holder: /^\w+ from \S+, connection \d+$/,
    mark: "?",
    async start() {
      const server = await mariadb.startMariadb();
      const list = "select table_name as name from information_schema.tables where table_schema = database()";
      return {
        async create() {
          const url = await server.createDatabase();
          return { ...place(url, list), url, sever: () => severMariadb(server.url, nameOf(url)) };
        },
        [Symbol.asyncDispose]: server.close,
      };
    },
  },
];

function place(url: string, list: string): Place {
  const open = () => openUrl(url);
  return {
    open,
    async tables() {
      const { session, close } = await open();
      try {
        return (await session.query(list)).map(({ name }) => String(name)).sort();
      } finally {
        await close();
      }
    },
  };
}

async function severMariadb(serverUrl: string, name: string): Promise<void> {
  const connections = await mariadb.query(
    serverUrl,
    "select id as id from information_schema.processlist where db = ?",
    [name],
  );
  for (const { id } of connections) await mariadb.query(serverUrl, `kill ${id}`);
}

function nameOf(url: string): string {
  return new URL(url).pathname.slice(1);
}
