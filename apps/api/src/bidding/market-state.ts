import type { Database } from '../database/database.ts';
import type { Pool, Reservation, TrainingJob } from '../generated/prisma/client.ts';
import type { OfferView } from '../indexing/fold-offer.ts';
import { readOffers } from '../indexing/offer-tables.ts';
import type { ChainTime } from './offer-actions.ts';

/** Everything that one look at the market needs: read in a fixed number of queries, however many offers are open. */
export interface MarketState {
  now: ChainTime;
  /** Open ones, and those whose capacity is still held, by id. */
  offers: Map<number, OfferView>;
  /** All of these pools' wallets have a key in the signer. */
  ours: Pool[];
  reservations: Map<number, Reservation[]>;
  jobs: Map<number, TrainingJob>;
  /** Jobs that run for offers that there are not (any more). */
  orphans: TrainingJob[];
}

const openStates = ['Funding', 'Bidding', 'Awarded', 'Training', 'Committed'];

/** Null before the first block is indexed. */
export async function loadMarketState(database: Database, accounts: ReadonlySet<string>): Promise<MarketState | null> {
  const { prisma } = database;
  const newest = await prisma.blockHeader.findFirst({ orderBy: { number: 'desc' } });
  if (newest === null) return null;
  const held = await prisma.reservation.findMany({ where: { state: 'held' }, select: { offerId: true } });
  const open = await prisma.offer.findMany({
    where: { OR: [{ state: { in: openStates } }, { id: { in: held.map(({ offerId }) => offerId) } }] },
    select: { id: true },
    orderBy: { id: 'asc' },
  });
  const ids = open.map(({ id }) => id);
  const offers = await readOffers(ids, prisma);
  const heldOrOpen = [...new Set([...ids, ...held.map(({ offerId }) => offerId)])];
  const reservations = await prisma.reservation.findMany({ where: { offerId: { in: heldOrOpen } } });
  const jobs = await prisma.trainingJob.findMany({ where: { OR: [{ offerId: { in: ids } }, { state: 'running' }] } });
  const pools = await prisma.pool.findMany();
  return {
    now: { block: newest.number, timestamp: newest.timestamp },
    offers: new Map([...offers].sort(([a], [b]) => a - b)),
    ours: pools.filter((pool) => accounts.has(pool.wallet.toLowerCase())),
    reservations: Map.groupBy(reservations, ({ offerId }) => offerId),
    jobs: new Map(jobs.map((job) => [job.offerId, job])),
    orphans: jobs.filter(({ offerId }) => !offers.has(offerId)),
  };
}
