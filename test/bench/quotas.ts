/** What managers publish about how often they may be asked, and what a container of ours asks of them. */
import type { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { readSecrets, type Wanted } from "../../entrypoint/provider/aws/read.ts";
import { type Pace, retry, TransientError } from "../../entrypoint/retry.ts";
import type { VirtualClock } from "./clock.ts";

export interface Manager {
  readonly name: string;
  /** The least time in which this quota lets so many containers read everything. */
  boundMs(containers: number): number;
  open(clock: VirtualClock): Endpoint;
}

/** What the containers of one simulation share. */
export interface Endpoint {
  /** Reads what one container wants. */
  boot(signal: AbortSignal, pace: Pace): Promise<unknown>;
  readonly counts: { requests: number; throttled: number };
  readonly quotas: readonly Quota[];
}

export interface Quota {
  /** Calls so far, and those of them that were throttled. */
  readonly asked: number;
  readonly refused: number;
  readonly perMinute: number;
}

const ROUND_TRIP_MS = 6;
const log = () => {};

/** So many requests a second, and a second's worth of them at once. */
class Bucket {
  readonly #clock: VirtualClock;
  readonly #perSecond: number;
  #tokens: number;
  #filledAt = 0;
  asked = 0;
  refused = 0;

  constructor(clock: VirtualClock, perSecond: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
  }

  take(): boolean {
    this.asked++;
    const { now } = this.#clock;
    this.#tokens += ((now - this.#filledAt) * this.#perSecond) / 1000;
    this.#tokens = Math.min(this.#perSecond, this.#tokens);
    this.#filledAt = now;
    if (this.#tokens < 1) {
      this.refused++;
      return false;
    }
    this.#tokens--;
    return true;
  }

  get perMinute(): number {
    return this.#perSecond * 60;
  }
}

/** So many requests in each minute, counted from its first one. */
class Window {
  readonly #clock: VirtualClock;
  readonly perMinute: number;
  #startedAt = Number.NEGATIVE_INFINITY;
  #taken = 0;
  asked = 0;
  refused = 0;

  constructor(clock: VirtualClock, perMinute: number) {
    this.#clock = clock;
    this.perMinute = perMinute;
  }

  /** @returns 0, or after how many milliseconds to ask again */
  take(): number {
    this.asked++;
    const { now } = this.#clock;
    if (now - this.#startedAt >= 60_000) {
      this.#startedAt = now;
      this.#taken = 0;
    }
    if (this.#taken++ < this.perMinute) return 0;
    this.refused++;
    return Math.ceil((this.#startedAt + 60_000 - now) / 1000) * 1000;
  }
}

const BATCHES_A_SECOND = 100;
const READS_A_SECOND = 10_000;
const BATCH_SIZE = 20;

/** https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html */
export function secretsManager(secrets: number): Manager {
  const batches = secrets > 1 ? Math.ceil(secrets / BATCH_SIZE) : 0;
  const wanted = Array.from({ length: secrets }, (_, index): Wanted => {
    return { id: `s${index}`, stage: "AWSCURRENT", version: undefined, region: "eu-west-1" };
  });
  return {
    name: `Secrets Manager, ${secrets} secret${secrets === 1 ? "" : "s"}`,
    boundMs(containers) {
      // What is read in batches need not be read one by one; both quotas are used up at the same time.
      const aSecond = READS_A_SECOND / secrets + (batches > 0 ? BATCHES_A_SECOND / batches : 0);
      return ROUND_TRIP_MS + Math.max(0, (containers / aSecond - 1) * 1000);
    },
    open(clock) {
      const counts = { requests: 0, throttled: 0 };
      const buckets = {
        batch: new Bucket(clock, BATCHES_A_SECOND),
        single: new Bucket(clock, READS_A_SECOND),
      };
      const send = async ({ input }: { input: { SecretIdList?: string[] } }) => {
        counts.requests++;
        const bucket = input.SecretIdList ? buckets.batch : buckets.single;
        await clock.sleep(ROUND_TRIP_MS / 2);
        const isTaken = bucket.take();
        await clock.sleep(ROUND_TRIP_MS / 2);
        if (isTaken) return answer(input.SecretIdList);
        counts.throttled++;
        throw Object.assign(new Error("Rate exceeded"), { name: "ThrottlingException" });
      };
      const client = { send } as unknown as SecretsManagerClient;
      const boot = (signal: AbortSignal, pace: Pace) =>
        readSecrets(wanted, { clientIn: () => client, title: "Secrets Manager", signal, log, pace });
      return { boot, counts, quotas: [buckets.batch, buckets.single] };
    },
  };
}

function answer(ids: readonly string[] | undefined): object {
  if (!ids) return { SecretString: "a value" };
  return { SecretValues: ids.map((id) => ({ Name: id, ARN: `arn:${id}`, SecretString: "a value" })) };
}

const FOLDERS = 2;
/** Of the free cloud, by address: a fleet behind one NAT is one address. https://infisical.com/docs/api-reference/overview/introduction */
const LISTS_A_MINUTE = 120;

export const infisical: Manager = {
  name: `Infisical's cloud, ${FOLDERS} folders`,
  boundMs(containers) {
    const minutes = Math.ceil((containers * FOLDERS) / LISTS_A_MINUTE) - 1;
    return 2 * ROUND_TRIP_MS + minutes * 60_000;
  },
  open(clock) {
    const counts = { requests: 0, throttled: 0 };
    const lists = new Window(clock, LISTS_A_MINUTE);
    // As `http.ts` does it: obeying the answer's Retry-After.
    const ask = (quota: Window | undefined, signal: AbortSignal, pace: Pace) =>
      retry(
        async () => {
          counts.requests++;
          await clock.sleep(ROUND_TRIP_MS);
          const retryAfterMs = quota?.take() ?? 0;
          if (retryAfterMs === 0) return;
          counts.throttled++;
          throw new TransientError("throttled (HTTP 429)", { retryAfterMs });
        },
        { target: "Infisical", signal, log, ...pace },
      );
    const boot = async (signal: AbortSignal, pace: Pace) => {
      await ask(undefined, signal, pace);
      await Promise.all(Array.from({ length: FOLDERS }, () => ask(lists, signal, pace)));
    };
    return { boot, counts, quotas: [lists] };
  },
};
