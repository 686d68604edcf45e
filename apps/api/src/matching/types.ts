import type { AvailabilityWindow, BackendName, Runtime } from '@cotrain/protocol';

/** Why a pool does not bid for an offer. */
export const rejectionReasons = [
  'OFFER_NOT_BIDDING',
  'SPEC_INVALID',
  'POOL_PAUSED',
  'RUNTIME_UNSUPPORTED',
  'BACKEND_UNSUPPORTED',
  'TOKEN_NOT_ACCEPTED',
  'GPU_COUNT_TOO_SMALL',
  'GPU_MEMORY_TOO_SMALL',
  'CPU_TOO_SMALL',
  'MEMORY_TOO_SMALL',
  'OUTSIDE_AVAILABILITY',
  'DEADLINE_UNREACHABLE',
  'STAKE_TOO_LOW',
  'CAPACITY_EXHAUSTED',
  'PRICE_ABOVE_REWARD',
  'DEARER_THAN_CHOSEN',
] as const;
export type RejectionReason = (typeof rejectionReasons)[number];

/** What matching needs to know of an offer. */
export interface MatchOffer {
  id: number;
  bidding: boolean;
  /** False when its documents are missing or wrong. */
  specValid: boolean;
  runtime: Runtime;
  backends: readonly BackendName[];
  /** Lower-case address; zero for ETH. */
  token: string;
  gpuCount: number;
  gpuMemoryMiB: number;
  cpuMilli: number;
  memoryMiB: number;
  /** GPU-seconds of the whole job, by the requester's estimate. */
  gpuSeconds: number;
  /** Seconds that the job may take, from the start on. */
  trainingWindow: number;
  rewardWei: bigint;
  minStakeWei: bigint;
}

/** What matching needs to know of a pool. */
export interface MatchPool {
  id: string;
  paused: boolean;
  runtimes: readonly Runtime[];
  backends: readonly BackendName[];
  tokens: readonly string[];
  gpuCount: number;
  gpuMemoryMiB: number;
  cpuMilli: number;
  memoryMiB: number;
  floorPriceWeiPerGpuHour: bigint;
  marginBps: number;
  windows: readonly AvailabilityWindow[];
  maxParallelJobs: number;
  freeStakeWei: bigint;
  /** GPU-seconds and jobs that bids and jobs hold already. */
  reservedGpuSeconds: number;
  reservedJobs: number;
}

/** The decision for one pair: a price, or the first reason against it. */
export type PairDecision = { poolId: string; priceWei: bigint } | { poolId: string; reason: RejectionReason };

/** The decision for one offer. */
export interface OfferMatch {
  offerId: number;
  chosen: { poolId: string; priceWei: bigint } | null;
  rejected: { poolId: string; reason: RejectionReason; priceWei: bigint | null }[];
}
