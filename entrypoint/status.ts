/** The only shared mutable state: where the boot stands, how long each phase took, what was fetched. No values. */

export const PHASES = ["config", "identity", "fetch", "settings", "app", "ready"] as const;

export type Phase = (typeof PHASES)[number];

export interface FetchSummary {
  readonly at: string;
  readonly provider: string;
  readonly identity: string;
  readonly settings: number;
  readonly secrets: number;
  readonly requests: number;
}

export interface Status {
  phase: Phase | "stopping" | "failed";
  /** ISO time at which the phase began. */
  since: string;
  /** Milliseconds by phase. */
  readonly timings: Partial<Record<Phase, number>>;
  fetched: FetchSummary | undefined;
}

export function createStatus(): Status {
  return { phase: "config", since: new Date().toISOString(), timings: {}, fetched: undefined };
}

export function enter(status: Status, phase: Status["phase"]): void {
  status.phase = phase;
  status.since = new Date().toISOString();
}
