import { idle } from '../src/capacity.ts';
import type { MatchOffer, MatchPool } from '../src/types.ts';

export const oneEther = 10n ** 18n;
export const ethToken = `0x${'0'.repeat(40)}`;
/** A Tuesday noon in UTC; offers of the builder end their bidding ten minutes later. */
export const noon = new Date('2026-03-03T12:00:00Z');
const noonSeconds = noon.getTime() / 1_000;

/** An hour on one GPU for up to 1 ETH, to be done within two hours: the builder's pool can do it. */
export function makeOffer(changes: Partial<MatchOffer> = {}): MatchOffer {
  return {
    id: 1,
    bidding: true,
    specValid: true,
    runtime: 'tfjs/1',
    backends: ['wasm'],
    token: ethToken,
    gpuCount: 1,
    gpuMemoryMiB: 8_192,
    cpuMilli: 1_000,
    memoryMiB: 2_048,
    gpuSeconds: 3_600,
    startsFrom: noonSeconds + 600,
    startsBy: noonSeconds + 900,
    trainingWindow: 7_200,
    rewardWei: oneEther,
    validationFeeWei: oneEther / 100n,
    minStakeWei: oneEther,
    refusedPoolIds: [],
    ...changes,
  };
}

/** One GPU with 24 GiB, always open, idle, at half an ETH an hour. */
export function makePool(changes: Partial<MatchPool> = {}): MatchPool {
  return {
    id: 'pool',
    wallet: `0x${'1'.repeat(40)}`,
    paused: false,
    runtimes: ['tfjs/1'],
    backends: ['wasm', 'cpu'],
    tokens: [ethToken],
    gpuCount: 1,
    gpuMemoryMiB: 24_576,
    cpuMilli: 8_000,
    memoryMiB: 65_536,
    floorPriceWeiPerGpuHour: oneEther / 2n,
    marginBps: 0,
    windows: [],
    maxParallelJobs: 4,
    freeStakeWei: 10n * oneEther,
    load: idle,
    ...changes,
  };
}
