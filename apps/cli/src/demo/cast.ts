/** Who plays in the demo, and with how much money. */

export const oneEther = 10n ** 18n;
/** An odd number of wei, so that shares of it do not come out even. */
export const rewardWei = oneEther + 7n;
export const validationFeeWei = oneEther / 100n + 1n;
/** What each pool deposits. */
export const stakeWei = 2n * oneEther;
/** What of it an award locks. */
export const lockedWei = oneEther;

export interface Company {
  name: string;
  /** Parts of ten. */
  units: number;
}
export const companies: readonly Company[] = [
  { name: 'Aster Robotics', units: 5 },
  { name: 'Birch Health', units: 3 },
  { name: 'Cedar Maps', units: 2 },
];

export interface PoolPlan {
  name: string;
  gpuMemoryMiB: number;
  floorPriceWeiPerGpuHour: bigint;
  note: string;
}
/** One too small, one too dear, one right. */
export const pools: readonly PoolPlan[] = [
  { name: 'tiny-garage', gpuMemoryMiB: 4_096, floorPriceWeiPerGpuHour: oneEther, note: '4 GiB of GPU memory' },
  { name: 'golden-cloud', gpuMemoryMiB: 81_920, floorPriceWeiPerGpuHour: 9n * oneEther, note: '80 GiB, 9 ETH an hour' },
  {
    name: 'river-coop',
    gpuMemoryMiB: 24_576,
    floorPriceWeiPerGpuHour: (7n * oneEther) / 2n,
    note: '24 GiB, 3.5 ETH an hour',
  },
];
export const honestPool = 'river-coop';
/** Why the first offer is not for the others. */
export const refusals: Readonly<Record<string, string>> = {
  'tiny-garage': 'GPU_MEMORY_TOO_SMALL',
  'golden-cloud': 'PRICE_BELOW_FLOOR',
};
export const cheat: PoolPlan = {
  name: 'shady-shed',
  gpuMemoryMiB: 24_576,
  floorPriceWeiPerGpuHour: 2n * oneEther,
  note: '24 GiB, 2 ETH an hour: the cheapest that fits',
};

export interface OfferPlot {
  name: string;
  seed: bigint;
  steps: number;
  /** Steps in a segment. */
  commitEvery: number;
}
/** 24 segments, of which eight are drawn. */
export const firstOffer: OfferPlot = { name: 'Digits for everybody', seed: 2_026n, steps: 2_400, commitEvery: 100 };
/** As many segments as are drawn, so that the altered one is certain to be checked. */
export const secondOffer: OfferPlot = { name: 'Digits again', seed: 7n, steps: 400, commitEvery: 50 };

export const batchSize = 64;
export const gpuMemoryMiB = 8_192;
/** What training is estimated to take on the GPU that is paid for; it sets the price. */
export const estimatedGpuSeconds = 600;
export const leastAccuracy = 0.95;

/** Seconds: windows that suit one impatient person. */
export const windows = {
  fundingWindow: 600,
  // A busy machine takes most of it to check the job that the pool is to bid for.
  bidWindow: 20,
  startWindow: 120,
  trainingWindow: 1_200,
  challengeWindow: 3,
} as const;
