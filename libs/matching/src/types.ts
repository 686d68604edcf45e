import type { AvailabilityWindow, BackendName, Runtime } from '@cotrain/protocol';
import type { PoolLoad } from './capacity.ts';

/**
 * Why a pool does not bid for an offer. The order is the order in which a receipt names them: first what concerns the
 * offer itself, then what a pool can never change, then what time may change, then money.
 */
export const rejectionReasons = [
  /** The offer is not open for bids. */
  'OFFER_NOT_BIDDING',
  /** Its JobSpec or program is missing or wrong. */
  'SPEC_INVALID',
  /** Its fee is no reason for validators to vote, and without their votes the payers get everything back. */
  'VALIDATION_FEE_TOO_LOW',
  'POOL_PAUSED',
  'RUNTIME_UNSUPPORTED',
  'BACKEND_UNSUPPORTED',
  'TOKEN_NOT_ACCEPTED',
  'GPU_COUNT_TOO_SMALL',
  'GPU_MEMORY_TOO_SMALL',
  'CPU_TOO_SMALL',
  'MEMORY_TOO_SMALL',
  /** The pool's hours do not include the time at which the job would start. */
  'OUTSIDE_AVAILABILITY',
  /** Even on an idle pool the job ends after its training window, or after the pool's hours. */
  'DEADLINE_UNREACHABLE',
  'STAKE_TOO_LOW',
  /** Its bid for this offer was refused a moment ago, by the contract or for want of money. */
  'BID_REFUSED',
  /** What the pool has promised leaves no room to finish this one in time as well. */
  'CAPACITY_EXHAUSTED',
  /** Not even the floor price, without the margin, is within the reward. */
  'PRICE_BELOW_FLOOR',
  /** The floor price is within the reward; with the pool's margin it is not. */
  'PRICE_ABOVE_REWARD',
  /** It fits, but another pool was cheaper, or as cheap with a smaller id. */
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
  /** Earliest start of the winner: the end of bidding, in seconds since the epoch. */
  startsFrom: number;
  /** Latest start that the contract allows, after both better bidders have forfeited; seconds since the epoch. */
  startsBy: number;
  /** Seconds that the job may take, from the start on. */
  trainingWindow: number;
  rewardWei: bigint;
  /** In the offer's token, as the reward. */
  validationFeeWei: bigint;
  minStakeWei: bigint;
  /** Pools whose bids were refused and are not to be tried again yet. */
  refusedPoolIds: readonly string[];
}

/** Capacity that a bid or a job holds of a pool, from the bid until the offer is lost or settled. */
export interface MatchReservation {
  /** Of the pool, while it runs: see slotsFor. */
  slots: number;
  gpuCount: number;
  gpuSeconds: number;
  /** Seconds between the job's latest start and the time by which it must be finished. */
  limitSeconds: number;
}

/** What matching needs to know of a pool. */
export interface MatchPool {
  id: string;
  /** Address that bids; several pools may share it, and then share its stake. */
  wallet: string;
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
  /** Most bids and jobs at a time. */
  maxParallelJobs: number;
  /** Stake of the wallet that is neither locked nor promised to a bid that may still win. */
  freeStakeWei: bigint;
  /** What its bids and jobs hold. */
  load: PoolLoad;
}

/** The decision for one pair: a price, or all the reasons against it. */
export type PairDecision =
  { poolId: string; priceWei: bigint } | { poolId: string; reasons: readonly RejectionReason[]; priceWei: bigint };

/** A pool that was not chosen, as it was when the decision was made. */
export interface Rejection {
  pool: MatchPool;
  reasons: readonly RejectionReason[];
  /** What the pool would have asked for. */
  priceWei: bigint;
}

/**
 * The decision for one offer. `rejected` lists the cheapest alternatives up to a bound; `rejectedByReason` counts every
 * pool, once for each reason.
 */
export interface OfferMatch {
  offer: MatchOffer;
  chosen: { pool: MatchPool; priceWei: bigint } | null;
  rejected: readonly Rejection[];
  rejectedCount: number;
  rejectedByReason: Partial<Record<RejectionReason, number>>;
}
