import { type Deployment, readContract, trainerRegistryAbi } from '@cotrain/chain';
import {
  limitSeconds,
  loadOf,
  type MatchOffer,
  type MatchPool,
  type MatchReservation,
  OpenHours,
  slotsFor,
} from '@cotrain/matching';
import { backendNames, exactBackend, type Hex, type JobSpec } from '@cotrain/protocol';
import type { JsonRpcProvider } from 'ethers';
import type { Pool } from '../generated/prisma/client.ts';
import type { OfferView } from '../indexing/fold-offer.ts';
import type { KnownDocuments } from './document-library.ts';
import type { MarketState } from './market-state.ts';
import { isStakeLocked, startRange } from './reservation-rules.ts';

/**
 * An offer as matching sees it.
 * @param refusedPoolIds pools whose bids for it were refused and are not to be tried again yet
 */
export function matchOffer(
  offer: OfferView,
  documents: KnownDocuments,
  refusedPoolIds: readonly string[] = [],
): MatchOffer {
  const spec = documents.matchable ? documents.jobSpec : null;
  return {
    id: offer.id,
    bidding: offer.state === 'Bidding',
    specValid: spec !== null,
    runtime: spec?.runtime ?? 'tfjs/1',
    backends: spec === null ? [] : poolBackends(spec),
    token: String(offer.terms['token']).toLowerCase(),
    gpuCount: spec?.resources.gpuCount ?? 0,
    gpuMemoryMiB: spec?.resources.gpuMemoryMiB ?? 0,
    cpuMilli: spec?.resources.cpuMilli ?? 0,
    memoryMiB: spec?.resources.memoryMiB ?? 0,
    gpuSeconds: spec?.resources.estimatedGpuSeconds ?? 1,
    ...startRange(offer, null),
    trainingWindow: Number(offer.terms['trainingWindow']),
    rewardWei: BigInt(offer.rewardWei),
    validationFeeWei: BigInt(String(offer.terms['validationFeeWei'])),
    minStakeWei: minStakeWei(offer),
    refusedPoolIds: [...refusedPoolIds].sort(),
  };
}

/** Backends of a pool any of which will do: for exact/1 all of them, because its bits do not depend on where it runs. */
function poolBackends({ runtime, backends }: JobSpec): MatchOffer['backends'] {
  return runtime === 'exact/1' ? backendNames : backends.filter((name) => name !== exactBackend);
}

/** Stake of each wallet that the market can lock for an award, in wei; one round trip for all of them. */
export async function readStakes(
  wallets: readonly string[],
  deployment: Deployment,
  provider: JsonRpcProvider,
): Promise<Map<string, bigint>> {
  const distinct = [...new Set(wallets.map((wallet) => wallet.toLowerCase()))];
  const stakes = await Promise.all(
    distinct.map((wallet) =>
      readContract(provider, {
        abi: trainerRegistryAbi,
        address: deployment.registry,
        // Not stakeOf: a wallet that has not accepted the market has free stake, and its bids are refused.
        functionName: 'lockableOf',
        args: [wallet as Hex, deployment.market],
      }),
    ),
  );
  return new Map(distinct.map((wallet, index) => [wallet, stakes[index] ?? 0n]));
}

/** The pools as matching sees them, with what their bids and jobs hold of capacity and stake. */
export function matchPools(
  state: MarketState,
  stakes: ReadonlyMap<string, bigint>,
  documents: ReadonlyMap<number, KnownDocuments>,
): MatchPool[] {
  const poolsById = new Map(state.ours.map((pool) => [pool.id, pool]));
  const promisedWei = new Map<string, bigint>();
  const reservations = new Map<string, MatchReservation[]>();
  for (const [offerId, rows] of state.reservations) {
    const offer = state.offers.get(offerId);
    for (const row of rows) {
      const pool = poolsById.get(row.poolId);
      if (row.state !== 'held' || pool === undefined) continue;
      const known = documents.get(offerId);
      // While its documents are not at hand, a job is taken to need all of the pool.
      const needed = known?.matchable === true ? known.jobSpec.resources : pool;
      const job = { slots: slotsFor(needed, pool), gpuCount: needed.gpuCount, gpuSeconds: row.gpuSeconds };
      const limit = offer === undefined ? 0 : limitOf(offer, pool);
      const ofPool = reservations.get(pool.id) ?? [];
      ofPool.push({ ...job, limitSeconds: limit });
      reservations.set(pool.id, ofPool);
      if (offer !== undefined && !isStakeLocked(offer, pool.wallet)) {
        const wallet = pool.wallet.toLowerCase();
        promisedWei.set(wallet, (promisedWei.get(wallet) ?? 0n) + minStakeWei(offer));
      }
    }
  }
  return state.ours.map((pool) => {
    const wallet = pool.wallet.toLowerCase();
    return {
      id: pool.id,
      wallet,
      paused: pool.paused,
      runtimes: pool.runtimes as MatchPool['runtimes'],
      backends: pool.backends as MatchPool['backends'],
      tokens: pool.tokens,
      gpuCount: pool.gpuCount,
      gpuMemoryMiB: pool.gpuMemoryMiB,
      cpuMilli: pool.cpuMilli,
      memoryMiB: pool.memoryMiB,
      floorPriceWeiPerGpuHour: BigInt(pool.floorPriceWeiPerGpuHour),
      marginBps: pool.marginBps,
      windows: windowsOf(pool),
      maxParallelJobs: pool.maxParallelJobs,
      freeStakeWei: (stakes.get(wallet) ?? 0n) - (promisedWei.get(wallet) ?? 0n),
      load: loadOf(pool, reservations.get(pool.id) ?? []),
    };
  });
}

/** Seconds that a promised job has from its latest start on; see matching's limitSeconds. */
function limitOf(offer: OfferView, pool: Pool): number {
  const trainingWindow = Number(offer.terms['trainingWindow']);
  const windows = windowsOf(pool);
  if (windows.length === 0) return trainingWindow;
  const range = startRange(offer, pool.wallet);
  const hours = new OpenHours(windows, range.startsFrom, range.startsBy + trainingWindow);
  // Promised while the hours were other ones, or closed by now: it must not be delayed any further.
  return limitSeconds({ ...range, trainingWindow }, hours) ?? 0;
}

function windowsOf(pool: Pool): MatchPool['windows'] {
  return pool.windows as unknown as MatchPool['windows'];
}

function minStakeWei(offer: OfferView): bigint {
  return BigInt(String(offer.terms['minStakeWei']));
}
