/** Every library whose pools are known, behind one way to make a pool, to ask and to hold it, and to count at the server. */
import { Redis } from "ioredis";
import createKnex, { type Knex } from "knex";
import { type Pool as CallbackPool, createPool as createCallbackPool } from "mysql2";
import { createPool as createPromisePool, type Pool as PromisePool } from "mysql2/promise";
import pg from "pg";
import { createClient } from "redis";
import { createClient as createClient6 } from "redis6";
import * as mariadb from "../servers/mariadb.ts";
import * as postgres from "../servers/postgres.ts";
import * as redis from "../servers/redis.ts";

export type User = "app_a" | "app_b";
export const USERS: readonly User[] = ["app_a", "app_b"];

/** A server with two users who may do the same; their passwords are their names. */
export interface Stage extends AsyncDisposable {
  url(user: string, password?: string): string;
  /** The users of all connections, by the server's own view. */
  connections(): Promise<string[]>;
  /** Ends all these connections, from the server's side. */
  sever(): Promise<unknown>;
}

/** One piece of work that spans several statements. */
export interface Work {
  /** Who does it. */
  user: string;
  /** Its last statement, and its end. */
  finish(): Promise<void>;
}

export interface Subject<P extends object = object> {
  readonly name: string;
  /** Its default name. */
  readonly kind: string;
  readonly skip: string | false;
  /** What the server says to a wrong password. */
  readonly refusal: RegExp;
  /** `undefined` where there is one connection for all. */
  readonly max: number | undefined;
  /** How many there may be at once in a handover; the pool's own maximum, if it can spare one for the proof. */
  readonly most: number;
  start(): Promise<Stage>;
  create(url: string): P;
  /** @returns who asked */
  ask(handle: P): Promise<string>;
  begin(handle: P): Promise<Work>;
  /** A method taken off the handle. @returns who asks with it */
  detach(handle: P): () => Promise<string>;
  end(handle: P): Promise<unknown>;
}

export const MAX = 4;

export async function startPostgres(): Promise<
  Stage & {
    setPassword(user: string, password: string): Promise<unknown>;
    /** From now on the server itself refuses more connections than these. */
    allow(connections: number): Promise<unknown>;
  }
> {
  const server = await postgres.startPostgres();
  const url = await server.createDatabase();
  const name = new URL(url).pathname.slice(1);
  await postgres.query(url, "create table entries (id serial primary key, author text not null)");
  for (const user of USERS) {
    await createUser(url, user);
    await postgres.query(url, `grant all on all tables in schema public to ${user}`);
    await postgres.query(url, `grant all on all sequences in schema public to ${user}`);
  }
  return {
    url: (user, password = user) => Object.assign(new URL(url), { username: user, password }).href,
    async connections() {
      const sql = "select usename as name from pg_stat_activity where datname = $1 and usename = any($2)";
      return (await postgres.query(url, sql, [name, USERS])).map((row) => String(row.name));
    },
    allow: (connections) =>
      postgres.query(url, `alter database ${name} with connection limit ${connections}`),
    async setPassword(user, password) {
      await createUser(url, user);
      await postgres.query(url, `alter role ${user} password '${password}'`);
    },
    sever() {
      const ours = "datname = $1 and usename = any($2)";
      const sql = `select pg_terminate_backend(pid) from pg_stat_activity where ${ours}`;
      return postgres.query(url, sql, [name, USERS]);
    },
    async [Symbol.asyncDispose]() {
      await server.close();
    },
  };
}

/** Users are the server's, and several suites may share one. */
function createUser(url: string, user: string): Promise<unknown> {
  const create = `create role ${user} login password '${user}'`;
  return postgres.query(
    url,
    `do $$ begin ${create}; exception when duplicate_object or unique_violation then null; end $$`,
  );
}

async function startMariadb(): Promise<Stage> {
  const server = await mariadb.startMariadb();
  const url = await server.createDatabase();
  const name = new URL(url).pathname.slice(1);
  await mariadb.query(
    url,
    "create table entries (id int auto_increment primary key, author varchar(80) not null)",
  );
  for (const user of USERS)
    for (const host of ["%", "localhost"]) {
      await mariadb.query(url, `create or replace user ${user}@'${host}' identified by '${user}'`);
      await mariadb.query(url, `grant all on ${name}.* to ${user}@'${host}'`);
    }
  const ours = async () => {
    // Its table in information_schema would be written to disk for each question.
    const all = (await mariadb.query(url, "show processlist")) as { Id: number; User: User; db: string }[];
    return all.filter(({ User: user, db }) => USERS.includes(user) && db === name);
  };
  return {
    url: (user, password = user) => Object.assign(new URL(url), { username: user, password }).href,
    connections: async () => (await ours()).map(({ User: user }) => user),
    async sever() {
      // It may have ended in the meantime.
      for (const { Id: id } of await ours()) await mariadb.query(url, `kill ${id}`).catch(() => {});
    },
    [Symbol.asyncDispose]: () => server.close(),
  };
}

async function startRedis(): Promise<Stage> {
  const server = await redis.startRedis();
  for (const user of USERS) await server.ask("ACL", "SETUSER", user, "on", `>${user}`, "~*", "&*", "+@all");
  return {
    url: (user, password = user) => server.url(user, password),
    async connections() {
      const list = String(await server.ask("CLIENT", "LIST"));
      return [...list.matchAll(/ user=(app_\w)/g)].map(([, user = ""]) => user);
    },
    sever: () => Promise.all(USERS.map((user) => server.ask("CLIENT", "KILL", "USER", user))),
    [Symbol.asyncDispose]: () => server.close(),
  };
}

const INSERT_PG = "insert into entries (author) values (session_user) returning author";
const WHO_MYSQL = "select substring_index(current_user(), '@', 1) as author";
const INSERT_MYSQL = "insert into entries (author) values (substring_index(current_user(), '@', 1))";

const pgSubject: Subject<pg.Pool> = {
  name: "pg",
  kind: "pg",
  skip: false,
  refusal: /28P01/,
  max: MAX,
  most: MAX,
  start: startPostgres,
  create: (connectionString) => new pg.Pool({ connectionString, max: MAX }),
  ask: async (pool) => (await pool.query(INSERT_PG)).rows[0].author,
  async begin(pool) {
    const client = await pool.connect();
    await client.query("begin");
    const { rows } = await client.query(INSERT_PG);
    return {
      user: rows[0].author,
      async finish() {
        await client.query(INSERT_PG);
        await client.query("commit");
        client.release();
      },
    };
  },
  detach({ query }) {
    return async () => (await (query as pg.Pool["query"])(INSERT_PG)).rows[0].author;
  },
  end: (pool) => pool.end(),
};

type Rows = { author: string }[];

const mysqlPromise: Subject<PromisePool> = {
  name: "mysql2/promise",
  kind: "mysql2",
  skip: mariadb.noMariadb,
  refusal: /ER_ACCESS_DENIED_ERROR/,
  max: MAX,
  most: MAX,
  start: startMariadb,
  create: (uri) => createPromisePool({ uri, connectionLimit: MAX }),
  async ask(pool) {
    const [rows] = await pool.query(WHO_MYSQL);
    return (rows as Rows)[0]?.author ?? "";
  },
  async begin(pool) {
    const connection = await pool.getConnection();
    await connection.beginTransaction();
    await connection.query(INSERT_MYSQL);
    const [rows] = await connection.query(WHO_MYSQL);
    return {
      user: (rows as Rows)[0]?.author ?? "",
      async finish() {
        await connection.query(INSERT_MYSQL);
        await connection.commit();
        connection.release();
      },
    };
  },
  detach({ query }) {
    return async () => {
      const [rows] = await (query as PromisePool["query"])(WHO_MYSQL);
      return (rows as Rows)[0]?.author ?? "";
    };
  },
  end: (pool) => pool.end(),
};

const mysqlCallbacks: Subject<CallbackPool> = {
  ...mysqlPromise,
  name: "mysql2",
  create: (uri) => createCallbackPool({ uri, connectionLimit: MAX }),
  ask: (pool) =>
    new Promise((resolve, reject) =>
      pool.query(WHO_MYSQL, (error, rows) =>
        error ? reject(error) : resolve((rows as Rows)[0]?.author ?? ""),
      ),
    ),
  begin: (pool) => mysqlPromise.begin(pool.promise()),
  detach({ query }) {
    return () =>
      new Promise((resolve, reject) =>
        (query as CallbackPool["query"])(WHO_MYSQL, (error, rows) =>
          error ? reject(error) : resolve((rows as Rows)[0]?.author ?? ""),
        ),
      );
  },
  end: (pool) => pool.promise().end(),
};

const ioredisSubject: Subject<Redis> = {
  name: "ioredis",
  kind: "ioredis",
  skip: redis.noRedis,
  refusal: /WRONGPASS/,
  max: undefined,
  most: 2,
  start: startRedis,
  create: (url) => new Redis(url),
  ask: async (client) => String(await client.call("ACL", "WHOAMI")),
  async begin(client) {
    const user = String(await client.call("ACL", "WHOAMI"));
    const transaction = client.multi().incr("entries").incr("entries");
    return {
      user,
      async finish() {
        for (const [error] of (await transaction.exec()) ?? [[new Error("it was discarded")]])
          if (error) throw error;
      },
    };
  },
  detach({ call }) {
    return async () => String(await (call as Redis["call"])("ACL", "WHOAMI"));
  },
  end: (client) => client.quit(),
};

type Client = ReturnType<typeof createClient>;

const redisSubject: Subject<Client> = {
  name: "redis",
  kind: "redis",
  skip: redis.noRedis,
  refusal: /WRONGPASS/,
  max: undefined,
  most: 2,
  start: startRedis,
  create: (url) => createClient({ url }),
  ask: (client) => client.aclWhoAmI(),
  async begin(client) {
    const user = await client.aclWhoAmI();
    const transaction = client.multi().incr("entries").incr("entries");
    return { user, finish: async () => void (await transaction.exec()) };
  },
  detach({ aclWhoAmI }) {
    return () => (aclWhoAmI as Client["aclWhoAmI"])();
  },
  end: (client) => client.close(),
};

const redis6Subject: Subject<Client> = {
  ...redisSubject,
  name: "redis 6",
  create: (url) => createClient6({ url }) as unknown as Client,
};

const knexPg: Subject<Knex> = {
  ...(pgSubject as unknown as Subject<Knex>),
  name: "knex on pg",
  most: MAX + 1,
  kind: "knex",
  create: (connection) => createKnex({ client: "pg", connection, pool: { min: 0, max: MAX } }),
  ask: async (knex) => (await knex.raw(INSERT_PG)).rows[0].author,
  async begin(knex) {
    const transaction = await knex.transaction();
    const { rows } = await transaction.raw(INSERT_PG);
    return {
      user: rows[0].author,
      async finish() {
        await transaction.raw(INSERT_PG);
        await transaction.commit();
      },
    };
  },
  detach({ raw }) {
    return async () => (await (raw as Knex["raw"])(INSERT_PG)).rows[0].author;
  },
  end: (knex) => knex.destroy(),
};

const knexMysql: Subject<Knex> = {
  ...knexPg,
  name: "knex on mysql2",
  skip: mariadb.noMariadb,
  refusal: /ER_ACCESS_DENIED_ERROR/,
  start: startMariadb,
  create: (connection) => createKnex({ client: "mysql2", connection, pool: { min: 0, max: MAX } }),
  ask: async (knex) => (await knex.raw(WHO_MYSQL))[0][0].author,
  async begin(knex) {
    const transaction = await knex.transaction();
    await transaction.raw(INSERT_MYSQL);
    const [rows] = await transaction.raw(WHO_MYSQL);
    return {
      user: rows[0].author,
      async finish() {
        await transaction.raw(INSERT_MYSQL);
        await transaction.commit();
      },
    };
  },
  detach({ raw }) {
    return async () => (await (raw as Knex["raw"])(WHO_MYSQL))[0][0].author;
  },
};

// biome-ignore lint/suspicious/noExplicitAny: each knows its own pools
export const SUBJECTS: readonly Subject<any>[] = [
  pgSubject,
  mysqlPromise,
  mysqlCallbacks,
  ioredisSubject,
  redisSubject,
  redis6Subject,
  knexPg,
  knexMysql,
];
