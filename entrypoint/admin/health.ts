/** What `/health` and `/secrets/health` say, read off the status. */
import type { Status } from "../status.ts";
import type { RotationSources } from "./rotation.ts";
import type { Answer } from "./routes.ts";

export interface Health {
  health(live: boolean): Promise<Answer>;
  secretsHealth(): Answer;
}

/** @param runChecks the app's own checks, by name */
export function createHealth(status: Status, runChecks: RotationSources["runChecks"]): Health {
  return {
    async health(live) {
      const { phase, since, progress } = status;
      const isReady = phase === "ready";
      // Liveness leaves the app's checks out: a database that is away must not restart every container.
      const results = isReady && !live ? Object.entries(await runChecks()) : [];
      const isHealthy = live ? phase !== "failed" : isReady && results.every(([, { ok }]) => ok);
      const checks = Object.fromEntries(results.map(([name, { ok }]) => [name, ok]));
      return {
        status: isHealthy ? 200 : 503,
        body: { healthy: isHealthy, phase, since, ...(progress && { progress }), checks },
      };
    },
    secretsHealth() {
      // Open to all over TCP, so it does not say who we are.
      const { identity: _, ...fetched } = status.fetched ?? {};
      const isFetched = status.fetched !== undefined;
      return { status: isFetched ? 200 : 503, body: { fetched: isFetched, phase: status.phase, ...fetched } };
    },
  };
}
