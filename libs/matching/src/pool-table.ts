import { backendNames, runtimes } from '@cotrain/protocol';
import { loadWith, type PoolLoad, slotsFor, slotsOf } from './capacity.ts';
import { OpenHours } from './open-hours.ts';
import { floorRateOf, rateOf } from './price.ts';
import type { MatchOffer, MatchPool } from './types.ts';

/**
 * All pools, cheapest first, one array for each figure: comparing an offer with every pool then reads memory in order
 * and allocates nothing.
 */
export interface PoolTable {
  pools: MatchPool[];
  rates: bigint[];
  floorRates: bigint[];
  freeStakesWei: bigint[];
  paused: Uint8Array;
  runtimeBits: Uint8Array;
  backendBits: Uint8Array;
  gpuCount: Float64Array;
  gpuMemoryMiB: Float64Array;
  cpuMilli: Float64Array;
  memoryMiB: Float64Array;
  maxParallelJobs: Float64Array;
  slots: Float64Array;
  jobs: Float64Array;
  promisedSlots: Float64Array;
  promisedSlotSeconds: Float64Array;
  spareSlotSeconds: Float64Array;
  /** Index into `hours`; pools with the same hours share one. -1 for a pool that is always open. */
  hoursIndex: Int32Array;
  hours: OpenHours[];
  /** For each token that was asked for, which pools accept it. */
  acceptedTokens: Map<string, Uint8Array>;
}

/** A set of names as bits; names that are not known count for nothing. */
export function bitsOf<T>(all: readonly T[], chosen: readonly T[]): number {
  return all.reduce((bits, each, index) => (chosen.includes(each) ? bits | (1 << index) : bits), 0);
}

/** Tabulates the pools; their hours are computed for the span of time in which the offers may start. */
export function tabulate(pools: readonly MatchPool[], span: { from: number; until: number }): PoolTable {
  const sorted = pools
    .map((pool) => ({ pool, rate: rateOf(pool) }))
    .sort((a, b) => (a.rate === b.rate ? (a.pool.id < b.pool.id ? -1 : 1) : a.rate < b.rate ? -1 : 1));
  const numbers = (pick: (pool: MatchPool) => number): Float64Array =>
    Float64Array.from(sorted, ({ pool }) => pick(pool));
  const hours: OpenHours[] = [];
  const known = new Map<string, number>();
  const hoursOf = (pool: MatchPool): number => {
    if (pool.windows.length === 0) return -1;
    const key = JSON.stringify(pool.windows);
    let index = known.get(key);
    if (index === undefined) {
      index = hours.push(new OpenHours(pool.windows, span.from, span.until)) - 1;
      known.set(key, index);
    }
    return index;
  };
  const table: PoolTable = {
    pools: sorted.map(({ pool }) => pool),
    rates: sorted.map(({ rate }) => rate),
    floorRates: sorted.map(({ pool }) => floorRateOf(pool)),
    freeStakesWei: sorted.map(({ pool }) => pool.freeStakeWei),
    paused: Uint8Array.from(sorted, ({ pool }) => Number(pool.paused)),
    runtimeBits: Uint8Array.from(sorted, ({ pool }) => bitsOf(runtimes, pool.runtimes)),
    backendBits: Uint8Array.from(sorted, ({ pool }) => bitsOf(backendNames, pool.backends)),
    gpuCount: numbers((pool) => pool.gpuCount),
    gpuMemoryMiB: numbers((pool) => pool.gpuMemoryMiB),
    cpuMilli: numbers((pool) => pool.cpuMilli),
    memoryMiB: numbers((pool) => pool.memoryMiB),
    maxParallelJobs: numbers((pool) => pool.maxParallelJobs),
    slots: new Float64Array(sorted.length),
    jobs: new Float64Array(sorted.length),
    promisedSlots: new Float64Array(sorted.length),
    promisedSlotSeconds: new Float64Array(sorted.length),
    spareSlotSeconds: new Float64Array(sorted.length),
    hoursIndex: Int32Array.from(sorted, ({ pool }) => hoursOf(pool)),
    hours,
    acceptedTokens: new Map(),
  };
  table.pools.forEach((_, row) => {
    tabulateLoad(table, row);
  });
  return table;
}

/** Which pools accept a token (lower-case address). */
export function accepting(table: PoolTable, token: string): Uint8Array {
  let found = table.acceptedTokens.get(token);
  if (found === undefined) {
    found = Uint8Array.from(table.pools, ({ tokens }) => Number(tokens.some((each) => each.toLowerCase() === token)));
    table.acceptedTokens.set(token, found);
  }
  return found;
}

/**
 * Holds a chosen pool's capacity, and its wallet's stake, for the offers that follow. Snapshots that decisions refer to
 * stay as they were.
 */
export function reserve(table: PoolTable, row: number, offer: MatchOffer, limitSeconds: number): void {
  const chosen = table.pools[row];
  if (chosen === undefined) return;
  const { gpuCount, gpuSeconds } = offer;
  const job = { slots: slotsFor(offer, chosen), gpuCount, gpuSeconds, limitSeconds };
  const load = loadWith(chosen.load, job, slotsOf(chosen));
  table.pools[row] = { ...chosen, load };
  tabulateLoad(table, row);
  table.pools.forEach((pool, other) => {
    if (pool.wallet !== chosen.wallet) return;
    const freeStakeWei = pool.freeStakeWei - offer.minStakeWei;
    table.pools[other] = { ...pool, freeStakeWei };
    table.freeStakesWei[other] = freeStakeWei;
  });
}

function tabulateLoad(table: PoolTable, row: number): void {
  const pool = table.pools[row];
  if (pool === undefined) return;
  const { load } = pool;
  table.slots[row] = slotsOf(pool);
  table.jobs[row] = load.jobs;
  table.promisedSlots[row] = load.promisedSlots;
  table.promisedSlotSeconds[row] = load.promisedSlotSeconds;
  table.spareSlotSeconds[row] = load.spareSlotSeconds;
}

/** One pool's load, read back from the table. */
export function loadAt(table: PoolTable, row: number): PoolLoad {
  return {
    jobs: table.jobs[row] ?? 0,
    promisedSlots: table.promisedSlots[row] ?? 0,
    promisedSlotSeconds: table.promisedSlotSeconds[row] ?? 0,
    spareSlotSeconds: table.spareSlotSeconds[row] ?? 0,
  };
}
