/** Reads secrets: in batches where that is possible, one by one where it is not. */
import { setImmediate as nextTurn } from "node:timers/promises";
import {
  BatchGetSecretValueCommand,
  GetSecretValueCommand,
  type SecretsManagerClient,
  type SecretValueEntry,
} from "@aws-sdk/client-secrets-manager";
import pMap from "p-map";
import { errorName, SallyportError } from "../../errors.ts";
import { ATTEMPT_TIMEOUT_MS } from "../../http.ts";
import type { Log } from "../../log.ts";
import { type Pace, retry, TransientError } from "../../retry.ts";
import type { Payload } from "../payload.ts";
import type { RefProblem, SecretRead } from "../secret-provider.ts";
import { callFault, isThrottled, secretFault } from "./faults.ts";

/** One version of one secret, whatever number of settings come out of it. */
export interface Wanted {
  /** A name or an ARN. */
  readonly id: string;
  /** A staging label: `AWSCURRENT`, … */
  readonly stage: string;
  readonly version: string | undefined;
  readonly region: string;
}

export interface ReadOptions {
  clientIn(region: string): SecretsManagerClient;
  readonly title: string;
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly attemptTimeoutMs?: number;
  /** For the simulation of a fleet, on a clock of its own. */
  readonly pace?: Pace;
}

export interface ReadResult {
  readonly payloads: Map<Wanted, Payload | RefProblem>;
  readonly reads: SecretRead[];
  readonly requests: number;
}

/** What the API takes in one call. */
const BATCH_SIZE = 20;
const BATCHES_AT_ONCE = 10;
const SINGLES_AT_ONCE = 10;

/**
 * A batch can't ask for a stage or a version, and costs more of the quota than a single read saves when there is one secret.
 * What a batch does not answer, and all of it when the role may not batch or batches are throttled, is read one by one.
 */
export async function readSecrets(wanted: readonly Wanted[], options: ReadOptions): Promise<ReadResult> {
  const result: Mutable = { payloads: new Map(), reads: [], requests: 0 };
  const unpinned = wanted.filter(({ stage, version }) => stage === "AWSCURRENT" && !version);
  const batches = Object.values(Object.groupBy(unpinned, ({ region }) => region))
    .flatMap((group = []) => chunks(group, BATCH_SIZE))
    .filter((batch) => batch.length > 1);
  const batched = new Set(batches.flat());
  const pinned = wanted.filter((it) => !batched.has(it));

  const readBatches = async () => {
    const mayBatch = { refused: false };
    const [first, ...others] = batches.map((batch) => () => readBatch(batch, mayBatch, result, options));
    const readOthers = async () => {
      if (others.length === 0) return;
      // By then the first one is on its way, and the key that it was signed with is there for all.
      await nextTurn();
      await pMap(others, (read) => read(), { concurrency: BATCHES_AT_ONCE });
    };
    await Promise.all([first?.(), readOthers()]);
    await readSingles(
      [...batched].filter((it) => !result.payloads.has(it)),
      result,
      options,
    );
  };
  await Promise.all([readBatches(), readSingles(pinned, result, options)]);
  return result;
}

type Mutable = { payloads: Map<Wanted, Payload | RefProblem>; reads: SecretRead[]; requests: number };

async function readBatch(
  batch: readonly Wanted[],
  mayBatch: { refused: boolean },
  result: Mutable,
  options: ReadOptions,
): Promise<void> {
  if (mayBatch.refused) return;
  const { title, signal, log, pace } = options;
  const started = performance.now();
  const client = options.clientIn(batch[0]?.region as string);
  const ids = batch.map(({ id }) => id);
  let token: string | undefined;
  // Every page answers for at least one secret; a manager that pages on and on is not one.
  for (let page = 0; page <= batch.length; page++) {
    const answer = await retry(
      () => {
        result.requests++;
        const command = new BatchGetSecretValueCommand({
          SecretIdList: ids,
          ...(token && { NextToken: token }),
        });
        return client.send(command, { abortSignal: attemptSignal(options) }).catch((error) => {
          const why = refusal(error, batch);
          if (!why) throw callFault(error, title);
          if (!mayBatch.refused) log("warn", "batch.refused", why);
          mayBatch.refused = true;
          return undefined;
        });
      },
      { target: title, signal, log, ...pace },
    );
    if (!answer) return;
    for (const entry of answer.SecretValues ?? []) keep(matching(batch, entry), entry, started, result);
    for (const { SecretId, ErrorCode = "" } of answer.Errors ?? []) {
      const secret = batch.find(({ id }) => id === SecretId);
      const problem = secret && secretFault(ErrorCode, secret);
      if (problem) result.payloads.set(secret, problem);
    }
    token = answer.NextToken;
    if (!token) return;
  }
  throw new SallyportError("MANAGER_ANSWER_INVALID", `${title} promises a next page without end`);
}

/** A code that is about one secret must not hide the others, so then, too, each is asked for by itself. */
function refusal(error: unknown, [first]: readonly Wanted[]): string | undefined {
  const code = errorName(error);
  if (code === "AccessDeniedException") {
    return "the role may not read secrets in batches, so they are read one by one; allow secretsmanager:BatchGetSecretValue";
  }
  if (isThrottled(error)) return "batches are throttled, so secrets are read one by one";
  const isAboutOne = code === "UnknownOperationException" || (first && secretFault(code, first));
  return isAboutOne ? `a batch was refused (${code}), so secrets are read one by one` : undefined;
}

/**
 * In waves. After a failure it begins again with one and doubles: when a fleet is throttled, ten tries at once from each
 * container would keep it so.
 */
async function readSingles(wanted: readonly Wanted[], result: Mutable, options: ReadOptions): Promise<void> {
  const { title, signal, log, pace } = options;
  const isLeft = (secret: Wanted) => !result.payloads.has(secret);
  let width = SINGLES_AT_ONCE;
  const readLeft = async () => {
    const before = result.payloads.size;
    for (let left = wanted.filter(isLeft); left.length > 0; left = wanted.filter(isLeft)) {
      const failure = await readWave(left.slice(0, width), result, options);
      width = failure ? 1 : Math.min(SINGLES_AT_ONCE, width * 2);
      if (failure)
        throw new TransientError(failure.message, {
          cause: failure,
          progressed: result.payloads.size > before,
        });
    }
  };
  await retry(readLeft, { target: title, signal, log, ...pace });
}

/** @returns one of the failures that may pass; any other one is thrown */
async function readWave(
  wave: readonly Wanted[],
  result: Mutable,
  options: ReadOptions,
): Promise<TransientError | undefined> {
  const ends = await Promise.allSettled(wave.map((secret) => readSingle(secret, result, options)));
  const failures = ends.flatMap((end): unknown[] => (end.status === "rejected" ? [end.reason] : []));
  for (const failure of failures) if (!(failure instanceof TransientError)) throw failure;
  return failures[0] as TransientError | undefined;
}

async function readSingle(secret: Wanted, result: Mutable, options: ReadOptions): Promise<void> {
  const { id, stage, version, region } = secret;
  const started = performance.now();
  const pin = version ? { VersionId: version } : { VersionStage: stage };
  const command = new GetSecretValueCommand({ SecretId: id, ...pin });
  result.requests++;
  try {
    const client = options.clientIn(region);
    keep(secret, await client.send(command, { abortSignal: attemptSignal(options) }), started, result);
  } catch (error) {
    const problem = secretFault(errorName(error), secret);
    if (!problem) throw callFault(error, options.title);
    result.payloads.set(secret, problem);
  }
}

function keep(secret: Wanted | undefined, entry: SecretValueEntry, started: number, result: Mutable): void {
  if (!secret) return;
  const { SecretString, SecretBinary, VersionId: version } = entry;
  const content = SecretString ?? SecretBinary;
  if (content === undefined) {
    result.payloads.set(secret, { kind: "missing", message: `${secret.id} has no value` });
    return;
  }
  result.payloads.set(secret, { content, version });
  result.reads.push({ name: secret.id, version, ms: Math.round(performance.now() - started) });
}

/** Asked for by name, full ARN, or an ARN without its random end; answered with name and full ARN. */
function matching(batch: readonly Wanted[], { ARN = "", Name }: SecretValueEntry): Wanted | undefined {
  return (
    batch.find(({ id }) => id === Name || id === ARN) ??
    batch.find(({ id }) => ARN.replace(/-\w{6}$/, "") === id)
  );
}

function attemptSignal({ signal, attemptTimeoutMs = ATTEMPT_TIMEOUT_MS }: ReadOptions): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(attemptTimeoutMs)]);
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}
