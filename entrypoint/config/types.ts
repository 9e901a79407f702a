/** The config file as its author writes it. Published as types of the package; `schema.ts` checks the same shape at run time. */

/** Anything with the Standard Schema interface (zod, valibot, arktype, …), https://standardschema.dev. Only in `.mjs` and `.ts` configs. */
export interface StandardSchema<Output = unknown> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => ValidationResult<Output> | Promise<ValidationResult<Output>>;
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
  };
}

type ValidationResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | {
      readonly issues: readonly {
        readonly message: string;
        readonly path?: readonly unknown[] | undefined;
      }[];
    };

/** What the text from the manager becomes. `duration` is in milliseconds; `port` is 1 to 65535; `json` is deeply frozen. */
export type TypeName = keyof TypeOfName;

interface TypeOfName {
  string: string;
  url: string;
  integer: number;
  number: number;
  boolean: boolean;
  port: number;
  duration: number;
  json: unknown;
  bytes: Uint8Array;
}

/** For what an address does not fit. */
export interface SecretLocation {
  /** The vendor's own name of the secret (below `prefix` or `directory`), or a full ARN. */
  id: string;
  /** A JSON key inside the secret; without it, the whole secret. */
  key?: string;
  /** `current` (default), `previous`, `pending`, or a staging label of the vendor's. */
  stage?: string;
  /** One fixed version. */
  version?: string;
}

/** Where one setting comes from and what it must be. A bare string is its address: a required secret string. */
export interface SettingDeclaration {
  from: string | SecretLocation;
  /** A type's name, the allowed words, or a Standard Schema validator. Default `string`. */
  type?: TypeName | readonly string[] | StandardSchema;
  /** `false` lets it be shown in logs and answers. Default true. */
  secret?: boolean;
  /** It may be missing. Default false. */
  optional?: boolean;
  /** An empty string is a value; else it counts as missing. Default false. */
  empty?: boolean;
  /** Required only when this boolean setting is true, or these settings have these values. Otherwise it is `undefined`. */
  when?: string | Readonly<Record<string, string>>;
  /** A ring of values, newest first, for keys that overlap. The stages after the first may be missing. */
  stages?: readonly string[];
}

export type SecretsSource =
  | { provider: "aws-secrets-manager" /** Put before every address: `shop/production`. */; prefix?: string }
  | { provider: "infisical" /** The environment's slug: `prod`. */; environment: string }
  | { provider: "files" /** Relative to the config file. */; directory: string };

/** `run` applies migrations, `wait` leaves them to another process, `check` refuses to start while some are pending. */
export type MigrateMode = "run" | "wait" | "check" | "off";

/** Where the database is. Each value is the name of a setting. */
interface ConnectionSettings {
  /** Holds `postgres://`, `mysql://`, `mariadb://` or `sqlite:./file.db`. */
  url?: string;
  host?: string;
  port?: string;
  user?: string;
  password?: string;
  name?: string;
  /** Holds a CA's certificates as PEM, or `true`, `false`, or a word of `sslmode`. */
  tls?: string;
}

/** `refuse` starts with no certain exposure, and warns of suspected ones; `warn` only warns. */
export type GuardMode = "refuse" | "warn" | "off";

export interface DatabaseDeclaration extends ConnectionSettings {
  /** Where no URL tells it. Default `postgres`. */
  dialect?: "postgres" | "mysql";
  /** A file with a CA's certificates as PEM, such as Amazon's bundle; turns TLS on. Relative to the config file. */
  caFile?: string;
  /** A folder of migrations, or a module that exports the app's own migrator. Relative to the config file. */
  migrations?: string | { module: string };
  /** How to migrate, and a login with more rights for it. Default `run`. */
  migrate?:
    | MigrateMode
    | (ConnectionSettings & {
        mode?: MigrateMode;
        /** How long to wait for other processes that migrate. Default `10m`. */
        lockTimeout?: string;
        /** For all migrations together. Default `1h`. */
        timeout?: string;
        /** Files that sort before the last applied one: an `error` (default), or `allow`. */
        outOfOrder?: "error" | "allow";
        /** The last file whose work a database without books, but with tables, has seen already. */
        baseline?: string;
      });
  /** A JSON file that says what the app relies on. Relative to the config file. */
  expect?: string;
}

export interface Config {
  $schema?: string;
  /** A module that exports `start(settings, context)`, or an unmodified server to `wrap`. Relative to the config file. */
  app?:
    | string
    | {
        wrap: string /** When a wrapped app counts as ready. Default `listening`. */;
        ready?: "listening" | "loaded";
      };
  /** Keyed by `ENVIRONMENT`. */
  secrets: Readonly<Record<string, SecretsSource>>;
  settings: Readonly<Record<string, string | SettingDeclaration>>;
  database?: DatabaseDeclaration;
  /** A module whose `warm(settings, context)` runs before the app. Relative to the config file. */
  warm?: string;
  /** What to do about secrets in the environment and about Node options that open the process. Default `refuse`. */
  guard?:
    | GuardMode
    | {
        mode?: GuardMode /** Variables, options and the like that are meant to be there. */;
        allow?: readonly string[];
      };
  /** Starts Node once more before any secret is read, without bootstrap variables and closed to debuggers. Default false. */
  harden?: boolean;
  admin?: {
    /** A Unix socket; default: in the first writable of `/run/sallyport`, `/dev/shm`, the temporary folder. */
    socket?: string;
    /** `host:port` of a TCP listener beside the socket. Beyond loopback it needs a `token`. */
    listen?: string;
    /** The name of the setting that holds the bearer token. */
    token?: string;
  };
  /** The whole boot, for example `120s` (the default). */
  bootTimeout?: string;
  /** From the first signal to the exit. Default `25s`. */
  shutdownTimeout?: string;
  /** How long to go on serving after the first signal. Default `5s`, on a terminal `0s`. */
  drainDelay?: string;
  /** From asking for a refresh to its swap. Default `30s`. */
  refreshTimeout?: string;
  /** How long what runs on a pool that was replaced may go on. Default `60s`. */
  poolDrainTimeout?: string;
}

type ValueOf<D> = D extends { type: infer T }
  ? T extends TypeName
    ? TypeOfName[T]
    : T extends readonly (infer Word)[]
      ? Word
      : T extends StandardSchema<infer Output>
        ? Output
        : string
  : string;

type Ringed<D> = D extends { stages: readonly string[] } ? readonly ValueOf<D>[] : ValueOf<D>;

type Absent<D> = D extends { optional: true } | { when: unknown } ? undefined : never;

/** The app's settings, typed by its config: `type Settings = SettingsOf<typeof config>`. */
export type SettingsOf<C extends Config> = {
  readonly [Name in keyof C["settings"]]: Ringed<C["settings"][Name]> | Absent<C["settings"][Name]>;
};
