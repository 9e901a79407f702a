/** The only shared mutable state: where the boot stands, how long each phase took, what was fetched. No values. */

/** In order. */
export type Phase =
  | ("config" | "identity" | "fetch" | "settings")
  | ("guard" | "database" | "migrate" | "schema" | "warm")
  | ("app" | "ready");

export interface FetchSummary {
  readonly at: string;
  readonly provider: string;
  readonly identity: string;
  readonly settings: number;
  readonly secrets: number;
  readonly requests: number;
}

/** The last refresh and its result. */
export interface LastRefresh {
  /** ISO time of its start. */
  readonly at: string;
  readonly by: string;
  readonly ms: number;
  readonly done: boolean;
  /** Names of settings. */
  readonly changed?: readonly string[];
  readonly pools?: readonly object[];
  /** Why it was refused. */
  readonly code?: string;
  readonly message?: string;
}

export interface Status {
  phase: Phase | "stopping" | "failed";
  /** ISO time at which the phase began. */
  since: string;
  /** Milliseconds by phase. */
  readonly timings: Partial<Record<Phase, number>>;
  /** How far the phase has got, where it says so: the migration that runs. */
  progress: string | undefined;
  fetched: FetchSummary | undefined;
  refresh: LastRefresh | undefined;
  /** Of the config, as soon as that is read. */
  shutdownTimeoutMs: number;
}

export function createStatus(): Status {
  return {
    phase: "config",
    since: new Date().toISOString(),
    timings: {},
    progress: undefined,
    fetched: undefined,
    refresh: undefined,
    shutdownTimeoutMs: 25_000,
  };
}

export function enter(status: Status, phase: Status["phase"]): void {
  status.phase = phase;
  status.since = new Date().toISOString();
}
