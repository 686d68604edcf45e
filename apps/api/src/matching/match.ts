import { isAvailable, nextChange } from '@cotrain/protocol';
import type { MatchOffer, MatchPool, OfferMatch, PairDecision, RejectionReason } from './types.ts';

/** What of a pool does not depend on the offer, computed once. */
interface PreparedPool {
  pool: MatchPool;
  available: boolean;
  /** Seconds until the pool's hours end; infinite for a pool without hours. */
  secondsLeft: number;
  runtimes: ReadonlySet<string>;
  backends: ReadonlySet<string>;
  tokens: ReadonlySet<string>;
  gpus: number;
  reservedGpuSeconds: number;
  reservedJobs: number;
  freeStakeWei: bigint;
}

const secondsPerHour = 3_600n;
const wholeBps = 10_000n;

/** Price of a job: GPU-hours at the floor price plus the margin, rounded up to the wei. */
export function quoteWei(pool: Pick<MatchPool, 'floorPriceWeiPerGpuHour' | 'marginBps'>, gpuSeconds: number): bigint {
  const numerator = pool.floorPriceWeiPerGpuHour * BigInt(Math.ceil(gpuSeconds)) * (wholeBps + BigInt(pool.marginBps));
  const denominator = secondsPerHour * wholeBps;
  return (numerator + denominator - 1n) / denominator;
}

/**
 * Decides which pool should bid for which offer. Pure, and independent of the order of its inputs: offers are served by
 * id, and among pools that fit, the cheapest wins, then the smaller id. A pool that is chosen has its capacity and
 * stake reserved for the following offers, so it never promises more than it has.
 * O(offers × pools); a pair costs a few comparisons, and big integers only when everything else fits.
 */
export function match(offers: readonly MatchOffer[], pools: readonly MatchPool[], now: Date): OfferMatch[] {
  const prepared = [...pools].sort((a, b) => (a.id < b.id ? -1 : 1)).map((pool) => prepare(pool, now));
  return [...offers].sort((a, b) => a.id - b.id).map((offer) => matchOffer(offer, prepared));
}

/** Decides one pair, for a receipt's replay or an explanation. */
export function matchPair(offer: MatchOffer, pool: MatchPool, now: Date): PairDecision {
  const reason = rejection(offer, prepare(pool, now));
  if (reason !== null) return { poolId: pool.id, reason };
  return { poolId: pool.id, priceWei: quoteWei(pool, offer.gpuSeconds) };
}

function prepare(pool: MatchPool, now: Date): PreparedPool {
  const available = isAvailable(pool.windows, now);
  const end = available ? nextChange(pool.windows, now) : null;
  return {
    pool,
    available,
    secondsLeft: end === null ? Infinity : (end.getTime() - now.getTime()) / 1000,
    runtimes: new Set(pool.runtimes),
    backends: new Set(pool.backends),
    tokens: new Set(pool.tokens.map((token) => token.toLowerCase())),
    gpus: Math.max(1, pool.gpuCount),
    reservedGpuSeconds: pool.reservedGpuSeconds,
    reservedJobs: pool.reservedJobs,
    freeStakeWei: pool.freeStakeWei,
  };
}

function matchOffer(offer: MatchOffer, pools: readonly PreparedPool[]): OfferMatch {
  const rejected: OfferMatch['rejected'] = [];
  let best: { candidate: PreparedPool; priceWei: bigint } | null = null;
  for (const candidate of pools) {
    const reason = rejection(offer, candidate);
    if (reason !== null) {
      // The price helps a person to see how far away a rejected pool was.
      rejected.push({
        poolId: candidate.pool.id,
        reason,
        priceWei: reason === 'PRICE_ABOVE_REWARD' ? quoteWei(candidate.pool, offer.gpuSeconds) : null,
      });
      continue;
    }
    const priceWei = quoteWei(candidate.pool, offer.gpuSeconds);
    if (best !== null && best.priceWei <= priceWei) {
      rejected.push({ poolId: candidate.pool.id, reason: 'DEARER_THAN_CHOSEN', priceWei });
      continue;
    }
    if (best !== null)
      rejected.push({ poolId: best.candidate.pool.id, reason: 'DEARER_THAN_CHOSEN', priceWei: best.priceWei });
    best = { candidate, priceWei };
  }
  if (best === null) return { offerId: offer.id, chosen: null, rejected };
  best.candidate.reservedGpuSeconds += offer.gpuSeconds;
  best.candidate.reservedJobs += 1;
  best.candidate.freeStakeWei -= offer.minStakeWei;
  return { offerId: offer.id, chosen: { poolId: best.candidate.pool.id, priceWei: best.priceWei }, rejected };
}

function rejection(offer: MatchOffer, prepared: PreparedPool): RejectionReason | null {
  const { pool } = prepared;
  if (!offer.bidding) return 'OFFER_NOT_BIDDING';
  if (!offer.specValid) return 'SPEC_INVALID';
  if (pool.paused) return 'POOL_PAUSED';
  if (!prepared.runtimes.has(offer.runtime)) return 'RUNTIME_UNSUPPORTED';
  if (!offer.backends.some((backend) => prepared.backends.has(backend))) return 'BACKEND_UNSUPPORTED';
  if (!prepared.tokens.has(offer.token)) return 'TOKEN_NOT_ACCEPTED';
  if (pool.gpuCount < offer.gpuCount) return 'GPU_COUNT_TOO_SMALL';
  if (pool.gpuMemoryMiB < offer.gpuMemoryMiB) return 'GPU_MEMORY_TOO_SMALL';
  if (pool.cpuMilli < offer.cpuMilli) return 'CPU_TOO_SMALL';
  if (pool.memoryMiB < offer.memoryMiB) return 'MEMORY_TOO_SMALL';
  if (!prepared.available) return 'OUTSIDE_AVAILABILITY';
  const { jobSeconds, queueSeconds } = times(offer, prepared);
  if (jobSeconds > offer.trainingWindow || jobSeconds > prepared.secondsLeft) return 'DEADLINE_UNREACHABLE';
  if (prepared.freeStakeWei < offer.minStakeWei) return 'STAKE_TOO_LOW';
  if (prepared.reservedJobs >= pool.maxParallelJobs) return 'CAPACITY_EXHAUSTED';
  if (queueSeconds + jobSeconds > Math.min(offer.trainingWindow, prepared.secondsLeft)) return 'CAPACITY_EXHAUSTED';
  return quoteWei(pool, offer.gpuSeconds) > offer.rewardWei ? 'PRICE_ABOVE_REWARD' : null;
}

/** How long the job takes on its GPUs, and how long what is reserved keeps all of the pool's GPUs busy. */
function times(offer: MatchOffer, prepared: PreparedPool): { jobSeconds: number; queueSeconds: number } {
  return {
    jobSeconds: offer.gpuSeconds / Math.max(1, offer.gpuCount),
    queueSeconds: prepared.reservedGpuSeconds / prepared.gpus,
  };
}
