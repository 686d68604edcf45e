import { backendNames, runtimes } from '@cotrain/protocol';
import { durationOf, hasRoom, slotsFor } from './capacity.ts';
import { limitSeconds } from './open-hours.ts';
import { accepting, bitsOf, loadAt, type PoolTable, reserve, tabulate } from './pool-table.ts';
import { highestRate, priceAt, quoteWei } from './price.ts';
import {
  type MatchOffer,
  type MatchPool,
  type OfferMatch,
  type PairDecision,
  type Rejection,
  type RejectionReason,
  rejectionReasons,
} from './types.ts';

/**
 * A validation fee below this part of the reward is refused, whatever the token. Validators execute a few segments of
 * a job and share the fee; with (nearly) none of it they have no reason to, and an offer that nobody votes on is refunded
 * while its log and model are public: the payers would have the model for nothing.
 */
export const minValidationFeeBps = 10n;

/** Most alternatives that a decision lists, the cheapest first; the rest are counted. */
const maxListedAlternatives = 100;

const bit = Object.fromEntries(rejectionReasons.map((reason, index) => [reason, 1 << index])) as Record<
  RejectionReason,
  number
>;

/**
 * Decides which pool should bid for which offer, one decision after the other. Pure, and independent of the order of
 * its inputs: offers are served by id, and of the pools that fit the cheapest wins, then the smaller id. A pool that is
 * chosen has its capacity and stake held for the following offers, so it never promises more than it has; every
 * decision refers to the pools as they were for it.
 *
 * O(offers × pools) in time; memory does not grow with the pairs. Decisions come one at a time, so that a caller need
 * not keep them all.
 * @param now only offers and hours from then on are of interest
 */
export function* matches(
  offers: readonly MatchOffer[],
  pools: readonly MatchPool[],
  now: Date,
): Generator<OfferMatch, void, undefined> {
  const from = offers.reduce((earliest, { startsFrom }) => Math.min(earliest, startsFrom), now.getTime() / 1_000);
  const until = offers.reduce((latest, offer) => Math.max(latest, offer.startsBy + offer.trainingWindow), from);
  const table = tabulate(pools, { from, until });
  const counts = new Uint32Array(rejectionReasons.length);
  const masks = new Uint32Array(pools.length);
  for (const offer of [...offers].sort((a, b) => a.id - b.id)) yield decide(offer, table, counts, masks);
}

/** All decisions at once. */
export function match(offers: readonly MatchOffer[], pools: readonly MatchPool[], now: Date): OfferMatch[] {
  return [...matches(offers, pools, now)];
}

/** Decides one pair, for a person who asks why: a price, or all the reasons against it. */
export function matchPair(offer: MatchOffer, pool: MatchPool, now: Date): PairDecision {
  const [decision] = match([offer], [pool], now);
  const priceWei = quoteWei(pool, offer.gpuSeconds);
  const reasons = decision?.rejected[0]?.reasons;
  return reasons === undefined ? { poolId: pool.id, priceWei } : { poolId: pool.id, reasons, priceWei };
}

function decide(offer: MatchOffer, table: PoolTable, counts: Uint32Array, masks: Uint32Array): OfferMatch {
  counts.fill(0);
  const chosenRow = compare(offer, table, counts, masks);
  const rejected: Rejection[] = [];
  for (let row = 0; row < table.pools.length && rejected.length < maxListedAlternatives; row++) {
    const pool = table.pools[row];
    if (row === chosenRow || pool === undefined) continue;
    const reasons = rejectionReasons.filter((reason) => ((masks[row] ?? 0) & bit[reason]) !== 0);
    rejected.push({ pool, reasons, priceWei: priceAt(table.rates[row] ?? 0n, offer.gpuSeconds) });
  }
  const rejectedByReason: OfferMatch['rejectedByReason'] = {};
  rejectionReasons.forEach((reason, index) => {
    if ((counts[index] ?? 0) > 0) rejectedByReason[reason] = counts[index] ?? 0;
  });
  const rejectedCount = table.pools.length - (chosenRow === -1 ? 0 : 1);
  const pool = table.pools[chosenRow];
  if (pool === undefined) return { offer, chosen: null, rejected, rejectedCount, rejectedByReason };
  const priceWei = priceAt(table.rates[chosenRow] ?? 0n, offer.gpuSeconds);
  reserve(table, chosenRow, offer, limitAt(offer, table, chosenRow) ?? 0);
  return { offer, chosen: { pool, priceWei }, rejected, rejectedCount, rejectedByReason };
}

/**
 * Compares an offer with every pool: fills in the reasons as bits, counts them, and returns the row of the first pool
 * without any, which is the cheapest, or -1. This is the loop that takes the time.
 */
function compare(offer: MatchOffer, table: PoolTable, counts: Uint32Array, masks: Uint32Array): number {
  const ofOffer =
    (offer.bidding ? 0 : bit.OFFER_NOT_BIDDING) |
    (offer.specValid ? 0 : bit.SPEC_INVALID) |
    (paysValidators(offer) ? 0 : bit.VALIDATION_FEE_TOO_LOW);
  const runtimeBit = bitsOf(runtimes, [offer.runtime]);
  const backendBits = bitsOf(backendNames, offer.backends);
  const accepts = accepting(table, offer.token);
  const dearest = highestRate(offer.rewardWei, offer.gpuSeconds);
  const affordable = firstAbove(table.rates, dearest);
  const { gpuCount, gpuMemoryMiB, cpuMilli, memoryMiB, minStakeWei } = offer;
  const duration = durationOf(offer);
  const refused = offer.refusedPoolIds.length === 0 ? null : new Set(offer.refusedPoolIds);
  let chosen = -1;
  for (let row = 0; row < table.pools.length; row++) {
    let mask = ofOffer;
    if (table.paused[row] === 1) mask |= bit.POOL_PAUSED;
    if (((table.runtimeBits[row] ?? 0) & runtimeBit) === 0) mask |= bit.RUNTIME_UNSUPPORTED;
    if (((table.backendBits[row] ?? 0) & backendBits) === 0) mask |= bit.BACKEND_UNSUPPORTED;
    if (accepts[row] === 0) mask |= bit.TOKEN_NOT_ACCEPTED;
    if ((table.gpuCount[row] ?? 0) < gpuCount) mask |= bit.GPU_COUNT_TOO_SMALL;
    if ((table.gpuMemoryMiB[row] ?? 0) < gpuMemoryMiB) mask |= bit.GPU_MEMORY_TOO_SMALL;
    if ((table.cpuMilli[row] ?? 0) < cpuMilli) mask |= bit.CPU_TOO_SMALL;
    if ((table.memoryMiB[row] ?? 0) < memoryMiB) mask |= bit.MEMORY_TOO_SMALL;
    if ((table.freeStakesWei[row] ?? 0n) < minStakeWei) mask |= bit.STAKE_TOO_LOW;
    if (refused?.has(table.pools[row]?.id ?? '') === true) mask |= bit.BID_REFUSED;
    const limit = limitAt(offer, table, row);
    if (limit === null) mask |= bit.OUTSIDE_AVAILABILITY;
    else if (duration > limit) mask |= bit.DEADLINE_UNREACHABLE;
    else if ((table.jobs[row] ?? 0) > 0) {
      const slots = slotsFor(offer, table.pools[row] ?? offer);
      const job = { slots, gpuCount, gpuSeconds: offer.gpuSeconds, limitSeconds: limit };
      if (!hasRoom(loadAt(table, row), job, table.slots[row] ?? 0)) mask |= bit.CAPACITY_EXHAUSTED;
    }
    if ((table.jobs[row] ?? 0) >= (table.maxParallelJobs[row] ?? 0)) mask |= bit.CAPACITY_EXHAUSTED;
    if (row >= affordable)
      mask |= (table.floorRates[row] ?? 0n) > dearest ? bit.PRICE_BELOW_FLOOR : bit.PRICE_ABOVE_REWARD;
    if (mask === 0) {
      if (chosen === -1) chosen = row;
      else mask = bit.DEARER_THAN_CHOSEN;
    }
    masks[row] = mask;
    for (let left = mask; left !== 0; left &= left - 1) {
      const index = 31 - Math.clz32(left & -left);
      counts[index] = (counts[index] ?? 0) + 1;
    }
  }
  return chosen;
}

function paysValidators({ rewardWei, validationFeeWei }: MatchOffer): boolean {
  return validationFeeWei * 10_000n >= rewardWei * minValidationFeeBps;
}

/** See limitSeconds in open-hours.ts; null when the pool is closed at the earliest start. */
function limitAt(offer: MatchOffer, table: PoolTable, row: number): number | null {
  const hours = table.hours[table.hoursIndex[row] ?? -1];
  return hours === undefined ? offer.trainingWindow : limitSeconds(offer, hours);
}

/** Index of the first value above the bound, in ascending values. */
function firstAbove(values: readonly bigint[], bound: bigint): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] ?? bound) <= bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
