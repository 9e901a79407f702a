/** What stays open while the app runs: the admin server for the operator, the context for the app, and what both of them reach. */
import { openAdmin } from "./admin/admin.ts";
import { createHealth } from "./admin/health.ts";
import { createRotation } from "./admin/rotation.ts";
import { createRunner, type HealthCheck } from "./app/checks.ts";
import { type Context, createAppLog, createContext } from "./app/context.ts";
import { createSubscribers } from "./app/subscribers.ts";
import type { ParsedConfig } from "./config/config.ts";
import { createPools } from "./pool/pool.ts";
import { openRefresh, openReports, type RotationParts } from "./rotation.ts";
import { createSettings, type LiveSettings } from "./settings/settings.ts";
import type { Closer } from "./shutdown.ts";
import type { Boot } from "./step.ts";

export interface Doors {
  /** Empty until the first fetch is swapped in. */
  readonly live: LiveSettings;
  readonly context: Context;
}

/** How long what runs on a pool may go on when the app and its shutdown functions are through. */
const LAST_QUERIES_MS = 5_000;

/** There before anything takes long, so that a slow migration is visible. */
export async function openDoors(config: ParsedConfig, boot: Boot): Promise<Doors> {
  const { status, cwd, log, closers } = boot;
  const live = createSettings(config.settings, new Map());
  const pools = createPools({ settings: live.settings, log, drainTimeoutMs: config.poolDrainTimeoutMs });
  const subscribers = createSubscribers(createAppLog(log), boot.signal);
  const checks = new Map<string, HealthCheck>();
  const parts = { live, pools, subscribers };
  const refresh = openRefresh(config, parts, boot);
  boot.onHangup(() => void refresh.run("SIGHUP").catch(() => {})); // the log has said why

  const runChecks = createRunner(checks);
  const rotation = createRotation({ ...openReports(config, parts, boot), status, refresh, runChecks });
  const token = () => (config.admin.token ? live.readText(config.admin.token) : undefined);
  const sources = { ...createHealth(status, runChecks), ...rotation, token };
  const admin = await openAdmin({ config: config.admin, cwd, log, ...sources });
  closers.push({ name: "the admin server", close: admin.close });
  closers.push({
    name: "the pools",
    async close() {
      await refresh.settled();
      await pools.close(AbortSignal.timeout(LAST_QUERIES_MS));
    },
  });
  return { live, context: openContext(boot, checks, parts) };
}

function openContext(
  { signal, log, closers }: Boot,
  checks: Map<string, HealthCheck>,
  { live, pools, subscribers }: RotationParts,
): Context {
  const hooks: Closer[] = [];
  // Unfolded when its turn comes: one that is registered late, too, runs after the app's own close.
  closers.push({ name: "the app's shutdown functions", close: () => void closers.push(...hooks) });
  return createContext({
    signal,
    log: createAppLog(log),
    checks,
    onShutdown: (name, close) => void hooks.push({ name, close }),
    pool: (definition) => pools.add(definition),
    onRefresh: subscribers.add,
    snapshot: live.snapshot,
  });
}
