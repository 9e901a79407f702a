/** What a handle costs, in nanoseconds, against the bare object. Run it with node; nobody asserts times here. */
import { pathToFileURL } from "node:url";
import { createHandle } from "../../entrypoint/pool/handle.ts";

export interface HandleCosts {
  readonly read: Cost;
  readonly call: Cost;
}

interface Cost {
  readonly bare: number;
  readonly handle: number;
}

class TestPool {
  options = { max: 10 };
  served = 0;
  query(by: number) {
    this.served += by;
    return this.served;
  }
}

const ROUNDS = 2_000_000;
const SERIES = 7;

/** Nanoseconds for one read of a property and for one call of a method: the median of several series. */
export function measureHandle(): HandleCosts {
  const bare = new TestPool();
  const { proxy } = createHandle(new TestPool(), "bench");
  const read = (pool: TestPool) => () => pool.options.max;
  const call = (pool: TestPool) => () => pool.query(1);
  return {
    read: { bare: median(read(bare)), handle: median(read(proxy)) },
    call: { bare: median(call(bare)), handle: median(call(proxy)) },
  };
}

function median(work: () => number): number {
  const times = Array.from({ length: SERIES }, () => time(work)).sort((a, b) => a - b);
  return times[SERIES >> 1] as number;
}

/** The sum keeps the compiler from leaving the work out. */
function time(work: () => number): number {
  let sum = 0;
  const started = process.hrtime.bigint();
  for (let round = 0; round < ROUNDS; round++) sum += work();
  const ns = Number(process.hrtime.bigint() - started) / ROUNDS;
  return sum === -1 ? 0 : ns;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const [name, { bare, handle }] of Object.entries(measureHandle()))
    console.log(
      `${name}: ${handle.toFixed(1)} ns through the handle, ${bare.toFixed(1)} ns on the pool itself`,
    );
}
