/** Before a swap: all candidates of a refresh are opened and proved at once, and either all hold or none stays. */
import { isTimeout } from "../abort.ts";
import { type Problem, SallyportError } from "../errors.ts";
import type { Settings } from "../settings/settings.ts";
import { type Definition, discard, type Member, type OnError, openCandidate } from "./candidate.ts";
import { noteReads } from "./definition.ts";
import type { Entry } from "./entry.ts";
import { describeFault } from "./fault.ts";

export interface Opened {
  readonly entry: Entry;
  readonly fresh: Member;
  /** The room that its connection takes is the current pool's again. */
  readonly giveBack: () => void;
}

export interface Terms {
  readonly settings: Settings;
  readonly signal: AbortSignal;
  readonly onError: OnError;
  /** Whether a pool in use may end a connection for the new one. */
  readonly ends: boolean;
}

/** @throws what making or proving it threw; then nothing of it is left */
export async function open(entry: Entry, terms: Terms): Promise<Opened> {
  const { definition, member, handle } = entry;
  const onMade = ({ pool, kind }: Member) => handle.introduce(pool, kind?.sessionEvents ?? []);
  const giveBack = await entry.makeRoom(terms.signal, terms.ends);
  const { settings, hasRead } = noteReads(terms.settings);
  try {
    const fresh = await openCandidate({ definition, current: member.pool, onMade, ...terms, settings });
    if (!hasRead()) await refuseOutsider(fresh, definition);
    return { entry, fresh, giveBack };
  } catch (error) {
    giveBack();
    throw error;
  }
}

/** Made of what `create` finds elsewhere, such as `start`'s own settings, it would log in as before, and prove nothing. */
async function refuseOutsider(fresh: Member, definition: Definition): Promise<never> {
  await discard(fresh, definition);
  throw Object.assign(new TypeError("not of these settings"), { code: "SETTINGS_UNREAD" });
}

export async function close({ entry, fresh, giveBack }: Opened): Promise<void> {
  await discard(fresh, entry.definition);
  giveBack();
}

/** @throws {SallyportError} CREDENTIALS_REFUSED with every problem, or the reason of whoever asked us to stop */
export async function openAll(entries: readonly Entry[], terms: Terms): Promise<Opened[]> {
  const { signal } = terms;
  // Each fault at once: when the slowest has used up the time of all, the others would be told as its own.
  const attempt = async (entry: Entry): Promise<Opened | Problem> => {
    const loss = entry.lossIn(terms.settings);
    if (loss) return { subject: entry.name, kind: "missing", message: loss };
    return open(entry, terms).catch((error) => ({ subject: entry.name, ...describeFault(error, signal) }));
  };
  const results = await Promise.all(entries.map(attempt));
  const opened = results.filter((it) => "fresh" in it);
  const problems = results.filter((it) => "subject" in it);
  const isStopped = signal.aborted && !isTimeout(signal.reason);
  if (problems.length === 0 && !isStopped) return opened;
  await Promise.all(opened.map(close));
  throw isStopped ? signal.reason : refused(problems);
}

function refused(problems: readonly Problem[]): SallyportError {
  const names = problems.map(({ subject }) => subject).join(", ");
  const message = `the new credentials do not work for ${names}; nothing was changed`;
  return new SallyportError("CREDENTIALS_REFUSED", message, {
    hint: "Correct them in the secrets manager (or at the server), then refresh again.",
    problems,
  });
}
