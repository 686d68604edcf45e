import { idle, matches, type MatchOffer, type MatchPool, quoteWei } from '@cotrain/matching';
import { backendNames } from '@cotrain/protocol';
import type { BenchRow } from './bench-row.ts';

const now = new Date('2026-03-03T12:00:00Z');
const startSeconds = now.getTime() / 1_000;
const eth = `0x${'0'.repeat(40)}`;
const oneEther = 10n ** 18n;
const largest = { offers: 10_000, pools: 1_000 };
const rounds = 3;

/** The same numbers on every machine: a linear congruential generator. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Half of the pools fit an offer's hardware, a third have hours, prices spread over an order of magnitude. */
function makePools(count: number): MatchPool[] {
  const random = generator(1);
  return Array.from({ length: count }, (_, index) => ({
    id: `pool-${String(index).padStart(6, '0')}`,
    wallet: `0x${index.toString(16).padStart(40, '0')}`,
    paused: random(20) === 0,
    runtimes: ['tfjs/1'],
    backends: [backendNames[random(backendNames.length)] ?? 'wasm', 'wasm'],
    tokens: [eth],
    gpuCount: 1 + random(8),
    gpuMemoryMiB: 8_192 * (1 + random(10)),
    cpuMilli: 4_000 * (1 + random(16)),
    memoryMiB: 16_384 * (1 + random(16)),
    floorPriceWeiPerGpuHour: (oneEther * BigInt(10 + random(90))) / 100n,
    marginBps: random(3_000),
    windows:
      random(3) === 0
        ? [
            {
              days: ['mon', 'tue', 'wed'],
              start: `${String(10 + random(10))}:00`,
              durationMinutes: 720,
              timeZone: 'Europe/Berlin',
            },
          ]
        : [],
    maxParallelJobs: 50,
    freeStakeWei: 1_000n * oneEther,
    load: idle,
  }));
}

function makeOffers(count: number): MatchOffer[] {
  const random = generator(2);
  return Array.from({ length: count }, (_, index) => ({
    id: index + 1,
    bidding: true,
    specValid: random(50) > 0,
    runtime: 'tfjs/1',
    backends: ['tfjs-node', 'wasm'],
    token: eth,
    gpuCount: 1 + random(4),
    gpuMemoryMiB: 8_192 * (1 + random(8)),
    cpuMilli: 1_000 * (1 + random(16)),
    memoryMiB: 4_096 * (1 + random(16)),
    gpuSeconds: 600 + random(36_000),
    startsFrom: startSeconds + random(3_600),
    startsBy: startSeconds + 3_600 + random(1_800),
    trainingWindow: 3_600 + random(86_400),
    rewardWei: (oneEther * BigInt(1 + random(400))) / 100n,
    minStakeWei: oneEther / 100n,
    validationFeeWei: oneEther,
    refusedPoolIds: [],
  }));
}

/** What one would write first: an object for every pair, reasons in a list, prices as big integers. */
function straightforward(offers: readonly MatchOffer[], pools: readonly MatchPool[]): number {
  let chosen = 0;
  for (const offer of offers) {
    const pairs = pools.map((pool) => {
      const reasons: string[] = [];
      if (!offer.bidding) reasons.push('OFFER_NOT_BIDDING');
      if (!offer.specValid) reasons.push('SPEC_INVALID');
      if (pool.paused) reasons.push('POOL_PAUSED');
      if (!pool.runtimes.includes(offer.runtime)) reasons.push('RUNTIME_UNSUPPORTED');
      if (!offer.backends.some((backend) => pool.backends.includes(backend))) reasons.push('BACKEND_UNSUPPORTED');
      if (!pool.tokens.includes(offer.token)) reasons.push('TOKEN_NOT_ACCEPTED');
      if (pool.gpuCount < offer.gpuCount) reasons.push('GPU_COUNT_TOO_SMALL');
      if (pool.gpuMemoryMiB < offer.gpuMemoryMiB) reasons.push('GPU_MEMORY_TOO_SMALL');
      if (pool.cpuMilli < offer.cpuMilli) reasons.push('CPU_TOO_SMALL');
      if (pool.memoryMiB < offer.memoryMiB) reasons.push('MEMORY_TOO_SMALL');
      if (offer.validationFeeWei * 1_000n < offer.rewardWei) reasons.push('VALIDATION_FEE_TOO_LOW');
      if (offer.refusedPoolIds.includes(pool.id)) reasons.push('BID_REFUSED');
      if (pool.freeStakeWei < offer.minStakeWei) reasons.push('STAKE_TOO_LOW');
      if (offer.gpuSeconds / offer.gpuCount > offer.trainingWindow) reasons.push('DEADLINE_UNREACHABLE');
      const priceWei = quoteWei(pool, offer.gpuSeconds);
      if (priceWei > offer.rewardWei) reasons.push('PRICE_ABOVE_REWARD');
      return { poolId: pool.id, priceWei, reasons };
    });
    const fitting = pairs.filter(({ reasons }) => reasons.length === 0);
    fitting.sort((a, b) => (a.priceWei < b.priceWei ? -1 : 1));
    if (fitting.length > 0) chosen++;
  }
  return chosen;
}

/** Seconds for all decisions, and how much memory they took at most beyond what was there before. */
function measure(offers: readonly MatchOffer[], pools: readonly MatchPool[]): { seconds: number; growthMiB: number } {
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  let largestHeap = before;
  let decided = 0;
  const started = performance.now();
  for (const decision of matches(offers, pools, now)) {
    decided += decision.rejectedCount;
    if (decision.offer.id % 500 === 0) largestHeap = Math.max(largestHeap, process.memoryUsage().heapUsed);
  }
  const seconds = (performance.now() - started) / 1_000;
  if (decided < (offers.length * pools.length) / 2) throw new Error('pairs were left out');
  return { seconds, growthMiB: (largestHeap - before) / 2 ** 20 };
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** Slope of a line through points whose axes are logarithmic: 1 is growth in proportion. */
function exponent(points: readonly { pairs: number; seconds: number }[]): number {
  const logs = points.map(({ pairs, seconds }) => ({ x: Math.log(pairs), y: Math.log(seconds) }));
  const meanX = logs.reduce((sum, { x }) => sum + x, 0) / logs.length;
  const meanY = logs.reduce((sum, { y }) => sum + y, 0) / logs.length;
  const covariance = logs.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0);
  return covariance / logs.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
}

/** Every offer with every pool: all reasons against, or a price; the cheapest that fits, its capacity held. */
export function run(): Promise<BenchRow[]> {
  const sizes = [
    { offers: largest.offers / 4, pools: largest.pools / 4 },
    { offers: largest.offers / 2, pools: largest.pools / 2 },
    largest,
  ];
  measure(makeOffers(500), makePools(500)); // compiled before it is timed
  const measured = sizes.map((size) => {
    const offers = makeOffers(size.offers);
    const pools = makePools(size.pools);
    const runs = Array.from({ length: rounds }, () => measure(offers, pools));
    return {
      pairs: size.offers * size.pools,
      seconds: median(runs.map(({ seconds }) => seconds)),
      growthMiB: Math.max(...runs.map(({ growthMiB }) => growthMiB)),
    };
  });
  const full = measured.at(-1) ?? { pairs: Number.NaN, seconds: Number.NaN, growthMiB: Number.NaN };
  const peerOffers = makeOffers(500);
  const peerPools = makePools(largest.pools);
  straightforward(peerOffers.slice(0, 50), peerPools);
  const peerStarted = performance.now();
  straightforward(peerOffers, peerPools);
  const peerMicroseconds = ((performance.now() - peerStarted) * 1_000) / (peerOffers.length * peerPools.length);
  const row = { bench: 'matching', better: 'lower' as const, peer: null, peerValue: null };
  return Promise.resolve([
    {
      ...row,
      metric: '10,000 offers x 1,000 pools, one pair',
      value: (full.seconds * 1e6) / full.pairs,
      unit: 'µs',
      bar: 1,
      peer: 'an object for each pair',
      peerValue: peerMicroseconds,
    },
    { ...row, metric: 'growth: time ~ pairs^x', value: exponent(measured), unit: 'x', bar: 1.15 },
    { ...row, metric: 'heap growth over 10,000,000 pairs', value: full.growthMiB, unit: 'MiB', bar: 128 },
  ]);
}
