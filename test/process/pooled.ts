/** A shop on a real PostgreSQL whose users rotate, and the app of it that works on a pool. */
import assert from "node:assert/strict";
import { type PostgresServer, query } from "../servers/postgres.ts";
import { type Bundle, type BundleOptions, guest } from "./bundle.ts";

export interface Shop {
  readonly url: string;
  /** The same database for a user that may log in, and owns nothing. */
  user(name: string, password?: string): Promise<string>;
  /** User names of containers that have a connection to it. */
  connected(): Promise<string[]>;
}

export async function openShop(server: PostgresServer): Promise<Shop> {
  const url = await server.createDatabase();
  await query(url, "create table orders (id int)");
  const prefix = new URL(url).pathname.slice(1);
  return {
    url,
    async user(name, password = `pw-${name}-canary`) {
      const user = `${prefix}_${name}`;
      await query(url, `create role ${user} login password '${password}'`).catch(() => {});
      await query(url, `grant select on orders to ${user}`);
      return Object.assign(new URL(url), { username: user, password }).href;
    },
    connected: async () =>
      (
        await query(
          url,
          "select distinct usename from pg_stat_activity where datname = current_database() and usename <> current_user order by 1",
        )
      ).map(({ usename }) => String(usename).replace(`${prefix}_`, "")),
  };
}

export const SETTINGS = {
  DATABASE_URL: "db_url",
  LEVEL: { from: "level", type: ["info", "debug", "broken"], secret: false },
  TOKEN: "token",
};

export function pooled(url: string, more: BundleOptions & { config?: object } = {}): BundleOptions {
  return {
    ...more,
    config: { app: guest("pooled.mjs"), settings: SETTINGS, ...more.config },
    secrets: { db_url: url, level: "info", token: "t0ken-canary", ...more.secrets },
  };
}

export const refresh = async (bundle: Bundle) => {
  const { status, text } = await bundle.admin("/secrets/refresh", "POST");
  assert.ok(!text.includes("canary"), text);
  return { status, body: JSON.parse(text) };
};
export const seen = async (bundle: Bundle, path: string) => JSON.parse((await bundle.get(path)).text);
