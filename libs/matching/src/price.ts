import type { MatchPool } from './types.ts';

const secondsPerHour = 3_600n;
const wholeBps = 10_000n;
/** A rate is in wei for so many GPU-seconds: then floor and margin give a whole number. */
const rateDenominator = secondsPerHour * wholeBps;

type Pricing = Pick<MatchPool, 'floorPriceWeiPerGpuHour' | 'marginBps'>;

/** What a pool asks for, in wei per 36,000,000 GPU-seconds. Prices of one job are in the order of rates. */
export function rateOf(pool: Pricing): bigint {
  return pool.floorPriceWeiPerGpuHour * (wholeBps + BigInt(pool.marginBps));
}

/** The same without the margin. */
export function floorRateOf(pool: Pricing): bigint {
  return pool.floorPriceWeiPerGpuHour * wholeBps;
}

/** Price at a rate, rounded up to the wei. */
export function priceAt(rate: bigint, gpuSeconds: number): bigint {
  return (rate * BigInt(Math.ceil(gpuSeconds)) + rateDenominator - 1n) / rateDenominator;
}

/** The highest rate whose price is still within the reward: priceAt(rate) <= rewardWei exactly up to here. */
export function highestRate(rewardWei: bigint, gpuSeconds: number): bigint {
  return (rewardWei * rateDenominator) / BigInt(Math.max(1, Math.ceil(gpuSeconds)));
}

/** Price of a job: GPU-hours at the floor price plus the margin, rounded up to the wei. */
export function quoteWei(pool: Pricing, gpuSeconds: number): bigint {
  return priceAt(rateOf(pool), gpuSeconds);
}
