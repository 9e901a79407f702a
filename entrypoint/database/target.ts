/** Where a database is and how to log in, out of a URL setting or of one setting for each part. */
import { readFileSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import type { ConnectionNames } from "../config/database.ts";
import { SallyportError } from "../errors.ts";
import { Secret } from "../secret.ts";

export type Dialect = "postgres" | "mysql" | "sqlite";

export interface TargetOptions {
  /** A setting's text by its name. */
  readonly readText: (name: string) => string | undefined;
  /** Absolute; a driver that is not in the bundle is looked for from here, and relative files start here. */
  readonly directory: string;
}

export interface Target {
  readonly dialect: Dialect;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Never a part of a URL again: drivers print those. */
  readonly password: Secret;
  /** The database's name, or the file of SQLite. */
  readonly name: string;
  readonly tls: Tls;
  /** Of PostgreSQL: what the URL's `options` say, or the search path that Prisma calls `schema`. */
  readonly options: string | undefined;
  readonly title: string;
}

/** `false` for none, `true` for a certificate that the system trusts, or the CA's certificates as PEM. */
export type Tls = boolean | { readonly ca: string };

const SCHEMES: Readonly<Record<string, Dialect>> = {
  "postgres:": "postgres",
  "postgresql:": "postgres",
  "mysql:": "mysql",
  "mariadb:": "mysql",
  "sqlite:": "sqlite",
};

const PORTS = { postgres: 5432, mysql: 3306, sqlite: 0 } as const;

/** @throws {SallyportError} DATABASE_INVALID */
export function parseTarget(names: ConnectionNames, { readText, directory }: TargetOptions): Target {
  const read = (name: string | undefined) => (name === undefined ? undefined : readText(name));
  const text = read(names.url);
  if (names.url !== undefined && text === undefined) throw invalid(names.url, "has no value");
  const parts =
    text === undefined ? { dialect: names.dialect } : parseUrl(text, names.url as string, directory);
  const dialect = parts.dialect ?? "postgres";
  if (dialect === "sqlite") {
    const name = parts.name ?? read(names.name);
    if (!name) throw invalid(names.url ?? "database", "names no file");
    return {
      dialect,
      host: "",
      port: 0,
      user: "",
      password: new Secret("", ""),
      name,
      tls: false,
      options: undefined,
      title: name,
    };
  }
  const host = read(names.host) ?? parts.host ?? "localhost";
  const port = Number(read(names.port) ?? parts.port ?? PORTS[dialect]);
  const user = read(names.user) ?? parts.user ?? "";
  const name = read(names.name) ?? parts.name ?? user;
  const password = read(names.password) ?? parts.password ?? "";
  const ca = names.caFile === undefined ? undefined : { ca: readFileSync(names.caFile, "utf8") };
  const tls = ca ?? parseTls(read(names.tls)) ?? parts.tls ?? false;
  const title = `${name} on ${host}${host.startsWith("/") ? "" : `:${port}`} as ${user}`;
  return {
    dialect,
    host,
    port,
    user,
    password: new Secret(password, "the database's password"),
    name,
    tls,
    options: parts.options,
    title,
  };
}

type Parts = {
  readonly [Part in "host" | "port" | "user" | "password" | "name" | "options"]?: string | undefined;
} & {
  readonly dialect?: Dialect | undefined;
  readonly tls?: Tls | undefined;
};

function parseUrl(text: string, setting: string, directory: string): Parts {
  const sqlite = /^sqlite:(?:\/\/)?(.*)$/.exec(text)?.[1];
  if (sqlite)
    return {
      dialect: "sqlite",
      name: isAbsolute(sqlite) || sqlite === ":memory:" ? sqlite : join(directory, sqlite),
    };
  const url = URL.parse(text);
  const dialect = url ? SCHEMES[url.protocol] : undefined;
  if (!url || !dialect)
    throw invalid(
      setting,
      `must begin with ${Object.keys(SCHEMES).join("//, ").replace("sqlite:", "sqlite:./file")}`,
    );
  const decode = (part: string | null) => {
    try {
      return part ? decodeURIComponent(part) : undefined;
    } catch {
      throw invalid(setting, "has a '%' that is not the start of an escape; write it as %25");
    }
  };
  return {
    dialect,
    host: decode(url.searchParams.get("host")) ?? decode(url.hostname.replace(/^\[|\]$/g, "")),
    port: decode(url.port),
    user: decode(url.username),
    password: decode(url.password),
    name: decode(url.pathname.slice(1)),
    options: url.searchParams.get("options") ?? searchPath(url.searchParams.get("schema")),
    tls: parseTls(url.searchParams.get("sslmode") ?? url.searchParams.get("ssl-mode") ?? undefined),
  };
}

function searchPath(schema: string | null): string | undefined {
  return schema === null ? undefined : `-c search_path=${JSON.stringify(schema).replaceAll(" ", "\\ ")}`;
}

/** A word of `sslmode`, or a CA's certificates. Every mode that asks for TLS checks the certificate. */
function parseTls(text: string | undefined): Tls | undefined {
  if (text === undefined) return undefined;
  if (text.includes("-----BEGIN CERTIFICATE-----")) return { ca: text };
  return !["disable", "disabled", "allow", "prefer", "preferred", "false", "0", ""].includes(
    text.toLowerCase(),
  );
}

function invalid(setting: string, why: string): SallyportError {
  return new SallyportError(
    "DATABASE_INVALID",
    `the setting ${setting} does not say where the database is: it ${why}`,
    {
      hint: "Write postgres://user:password@host:5432/name, mysql://…, mariadb://… or sqlite:./file.db.",
    },
  );
}
