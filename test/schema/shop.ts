/** A shop in PostgreSQL, and those who ask for it. */
import type { Expectations } from "../../entrypoint/schema/schema.ts";
import { type PostgresServer, query } from "../servers/postgres.ts";
import { type Asking, ask } from "./ask.ts";

export const SHOP = `
create type order_status as enum ('new', 'paid');
create table orders (
  id bigserial primary key,
  note text,
  at timestamptz not null default now(),
  status order_status not null default 'new',
  price numeric(10, 2)
);
create index orders_at_idx on orders (at);
create schema billing;
create type billing.kind as enum ('a');
create table billing.bills (id int not null, kind billing.kind);`;

export const EXPECTED: Expectations = {
  tables: {
    orders: {
      columns: {
        id: "bigint",
        note: { type: "text", nullable: true },
        at: "timestamptz",
        status: "order_status",
      },
      indexes: ["orders_pkey", "orders_at_idx"],
      privileges: ["select", "insert", "update", "delete"],
    },
    "billing.bills": { columns: { id: { type: "int", nullable: false }, kind: "billing.kind" } },
  },
  enums: { order_status: ["new"], "billing.kind": ["a"] },
  extensions: ["plpgsql"],
};

export async function openWith(server: PostgresServer, script: string): Promise<Asking & { url: string }> {
  const url = await server.createDatabase();
  const asking = await ask(url);
  await asking.session.run(script);
  return { ...asking, url };
}

/** Somebody without any privilege, named to need quotes. Roles belong to the server, not to a database. */
let users = 0;
export async function openAsStranger(url: string): Promise<Asking & { user: string }> {
  const user = `App "${process.pid}-${++users}"`;
  const quoted = `"${user.replaceAll('"', '""')}"`;
  await query(url, `create role ${quoted} login password 'stranger'`);
  const asking = await ask(Object.assign(new URL(url), { username: user, password: "stranger" }).href);
  return {
    ...asking,
    user: quoted,
    async [Symbol.asyncDispose]() {
      await asking.session.close();
      await query(url, `drop owned by ${quoted}; drop role ${quoted}`);
    },
  };
}
