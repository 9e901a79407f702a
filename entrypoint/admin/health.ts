/** What `/health` and `/secrets/health` say, read off the status. */
import type { Status } from "../status.ts";
import type { Answer } from "./routes.ts";

export interface Health {
  health(live: boolean): Promise<Answer>;
  secretsHealth(): Answer;
}

/** @param runChecks the app's own checks: passed or not, by name */
export function createHealth(status: Status, runChecks: () => Promise<Record<string, boolean>>): Health {
  return {
    async health(live) {
      const { phase, since } = status;
      const isReady = phase === "ready";
      // Liveness leaves the app's checks out: a database that is away must not restart every container.
      const results = isReady && !live ? await runChecks() : {};
      const isHealthy = live ? phase !== "failed" : isReady && Object.values(results).every(Boolean);
      return { status: isHealthy ? 200 : 503, body: { healthy: isHealthy, phase, since, checks: results } };
    },
    secretsHealth() {
      const { fetched, phase } = status;
      return { status: fetched ? 200 : 503, body: { fetched: fetched !== undefined, phase, ...fetched } };
    },
  };
}
