/** A pool that is not in use yet: made, proved by a login of its own, and closed without a trace if it does not hold. */
import { setTimeout as delay } from "node:timers/promises";
import { abortable } from "../abort.ts";
import type { Settings } from "../settings/settings.ts";
import { kindOf, type PoolDefinition } from "./definition.ts";
import { isEmitter } from "./listeners.ts";
import type { PoolKind } from "./pool-kind.ts";

/** A pool, and how it is handled. */
export interface Member {
  readonly pool: object;
  /** `undefined`: as its definition says, and only so. */
  readonly kind: PoolKind | undefined;
  /** Who it logged in as, or would. */
  user: string | undefined;
}

export type Definition = PoolDefinition<object>;

/** Hears of the errors of connections that nobody uses. */
export type OnError = (error: unknown, pool: object) => void;

/** Takes a new pool in: from now on an error of an idle connection can't end the process. */
export function admit(pool: object, definition: Definition, onError: OnError): Member {
  const kind = kindOf(pool, definition);
  if (isEmitter(pool)) pool.on("error", (error) => onError(error, pool));
  return { pool, kind, user: kind?.userOf(pool) };
}

export interface Candidature {
  readonly definition: Definition;
  /** The pool in use. */
  readonly current: object;
  /** Told before the first login. */
  readonly onMade: (member: Member) => void;
  readonly settings: Settings;
  readonly signal: AbortSignal;
  readonly onError: OnError;
}

/** @throws whatever making or proving it threw, or the signal's reason; then nothing of it is left */
export async function openCandidate(candidature: Candidature): Promise<Member> {
  const { definition, current, onMade, settings, signal, onError } = candidature;
  signal.throwIfAborted();
  const making = Promise.resolve().then(() => definition.create(settings));
  // One that comes when nobody waits for it any more is closed, too.
  const discardLate = async () => {
    const late = await making;
    if (late !== current) await discard(admit(late, definition, onError), definition);
  };
  const pool = await abortable(making, signal).catch((error) => {
    discardLate().catch(() => {});
    throw error;
  });
  // To drain one would be to drain the other.
  if (pool === current) throw Object.assign(new TypeError("not a new pool"), { code: "POOL_IN_USE" });
  const member = admit(pool, definition, onError);
  onMade(member);
  try {
    member.user = (await abortable(probe(member, definition, signal), signal)) ?? member.user;
    return member;
  } catch (error) {
    await discard(member, definition);
    throw error;
  }
}

async function probe({ pool, kind }: Member, definition: Definition, signal: AbortSignal) {
  const name = await (definition.probe ? definition.probe(pool, signal) : kind?.probe(pool, signal));
  return typeof name === "string" ? name : undefined;
}

/** A server that hangs does not hear a goodbye. */
const FAREWELL_MS = 500;
const DISCARD_MS = 2_000;
const LOOK_MS = 5;

/** Nothing runs on it but what we began ourselves. Resolves when its connections have ended, and never fails. */
export async function discard({ pool, kind }: Member, definition: Definition): Promise<void> {
  const deadline = AbortSignal.timeout(DISCARD_MS);
  const drain = async () => definition.drain?.(pool, deadline);
  await abortable(drain(), deadline).catch(() => {});
  if (!kind || kind.hasEnded(pool)) return;
  const isIdle = kind.load(pool).busy === 0;
  const farewells = Promise.all(kind.trim(pool));
  await abortable(farewells, AbortSignal.timeout(isIdle ? FAREWELL_MS : 0)).catch(() => {});
  kind.cut(pool);
  while (kind.load(pool).open > 0 && !deadline.aborted) await delay(LOOK_MS);
}
