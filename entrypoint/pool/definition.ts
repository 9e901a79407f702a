/** What an app says of a pool, and what of it can be wrong. */
import type { Log } from "../log.ts";
import type { Settings } from "../settings/settings.ts";
import { ioredis } from "./ioredis.ts";
import { knex } from "./knex.ts";
import { mysql } from "./mysql.ts";
import { pg } from "./pg.ts";
import type { PoolKind } from "./pool-kind.ts";
import { redis } from "./redis.ts";

/** What an app gives to `context.pool`. `Made` is a pool, or the promise of one. */
export interface PoolDefinition<Made extends object, S extends object = Settings> {
  /** Shown in status and refresh answers; default: the library's name or `pool`, numbered where there are several. */
  readonly name?: string;
  /** The settings it is made of. Only when one of them changed does a refresh build a new one. */
  readonly uses: readonly (keyof S & string)[];
  /** Makes one. May be async: then `context.pool` gives a promise. */
  create(settings: S): Made;
  /** Proves on a fresh connection that its credentials work; resolves to the user it logged in as, if it can tell. */
  probe?(pool: Awaited<Made>, signal: AbortSignal): Promise<unknown>;
  /** Waits until nothing runs on it any more (aborted by a deadline: then ends it by force), and closes it. */
  drain?(pool: Awaited<Made>, signal: AbortSignal): Promise<void>;
}

// biome-ignore lint/suspicious/noExplicitAny: each knows its own pools, told by their shape
const KINDS: readonly PoolKind<any>[] = [pg, mysql, ioredis, redis, knex];

/** @throws {TypeError} for a pool that nobody here knows how to prove and to drain */
export function kindOf(pool: object, { probe, drain }: PoolDefinition<object>): PoolKind | undefined {
  if ((typeof pool !== "object" && typeof pool !== "function") || pool === null)
    throw new TypeError("context.pool: create(settings) gave no pool");
  const kind = KINDS.find(({ recognizes }) => recognizes(pool));
  if (kind || (probe && drain)) return kind;
  const missing = [!probe && "probe(pool, signal)", !drain && "drain(pool, signal)"].filter(Boolean);
  throw new TypeError(
    `context.pool knows pools of ${KINDS.map(({ name }) => name).join(", ")}; for any other, and this is one, ` +
      `give it ${missing.join(" and ")}`,
  );
}

/** @throws {TypeError} for a definition whose pool could never be exchanged */
export function assertUsable(
  { name, uses, create }: Named,
  settings: Settings,
  taken: ReadonlySet<string>,
): void {
  if (typeof create !== "function") throw new TypeError("context.pool needs create(settings)");
  if (!Array.isArray(uses) || uses.length === 0)
    throw new TypeError('context.pool needs the settings that it is made of: uses: ["DATABASE_URL"]');
  const unknown = uses.filter((setting) => !(setting in settings));
  if (unknown.length > 0)
    throw new TypeError(`context.pool: uses names ${unknown.join(", ")}, and there is no such setting`);
  if (name !== undefined && taken.has(name)) throw new TypeError(`context.pool: two pools are named ${name}`);
}

type Named = Pick<PoolDefinition<object>, "name" | "uses" | "create">;

/** `pg`, `pg-2`, … */
export function freeName(base: string, taken: ReadonlySet<string>): string {
  for (let number = 1; ; number++) {
    const name = number === 1 ? base : `${base}-${number}`;
    if (!taken.has(name)) return name;
  }
}

/** Tells of each setting that goes into a pool without being declared: its change would go unnoticed. */
export function watchReads(settings: Settings, { uses }: Named, log: Log): Settings {
  const told = new Set<PropertyKey>(uses);
  return new Proxy(settings, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (!told.has(name) && Object.hasOwn(target, name) && typeof value !== "function") {
        told.add(name);
        const subject = String(name);
        log("warn", "pool.setting_undeclared", "a pool reads it, and does not name it in its uses", {
          subject,
        });
      }
      return value;
    },
  });
}

/** Tells whether anything has been read yet: some drivers ask for a password only when they connect. */
export function noteReads(settings: Settings): { readonly settings: Settings; hasRead(): boolean } {
  let isRead = false;
  const noted = new Proxy(settings, {
    get(target, name) {
      isRead = true;
      return Reflect.get(target, name);
    },
  });
  return { settings: noted, hasRead: () => isRead };
}
