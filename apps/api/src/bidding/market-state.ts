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

/**
 * Reads the state of the market, look after look. Offers that did not change since the last look are not read again:
 * the version of their rows tells.
 */
export class MarketStateReader {
  private known = new Map<number, { version: string; offer: OfferView }>();

  constructor(private readonly database: Database) {}

  /** Null before the first block is indexed. */
  async read(accounts: ReadonlySet<string>): Promise<MarketState | null> {
    const { prisma } = this.database;
    const newest = await prisma.blockHeader.findFirst({ orderBy: { number: 'desc' } });
    if (newest === null) return null;
    const held = await prisma.reservation.findMany({ where: { state: 'held' }, select: { offerId: true } });
    const heldIds = held.map(({ offerId }) => offerId);
    const offers = await this.readOffers(heldIds);
    const ids = [...offers.keys()];
    const reservations = await prisma.reservation.findMany({
      where: { offerId: { in: [...new Set([...ids, ...heldIds])] } },
    });
    const jobs = await prisma.trainingJob.findMany({ where: { OR: [{ offerId: { in: ids } }, { state: 'running' }] } });
    const pools = await prisma.pool.findMany();
    return {
      now: { block: newest.number, timestamp: newest.timestamp },
      offers,
      ours: pools.filter((pool) => accounts.has(pool.wallet.toLowerCase())),
      reservations: Map.groupBy(reservations, ({ offerId }) => offerId),
      jobs: new Map(jobs.map((job) => [job.offerId, job])),
      orphans: jobs.filter(({ offerId }) => !offers.has(offerId)),
    };
  }

  /** By id, ascending. Every event of an offer writes its row, also one that changes only its bids. */
  private async readOffers(heldIds: readonly number[]): Promise<Map<number, OfferView>> {
    const { prisma } = this.database;
    const rows = await prisma.$queryRaw<{ id: number; version: string }[]>`
      SELECT "id", "xmin"::text AS "version" FROM "Offer"
      WHERE "state" = ANY (${openStates}) OR "id" = ANY (${[...heldIds]})
      ORDER BY "id"`;
    const changed = rows.filter(({ id, version }) => this.known.get(id)?.version !== version).map(({ id }) => id);
    const read = changed.length === 0 ? new Map<number, OfferView>() : await readOffers(changed, prisma);
    const present = new Map<number, { version: string; offer: OfferView }>();
    for (const { id, version } of rows) {
      const known = this.known.get(id);
      const offer = known?.version === version ? known.offer : read.get(id);
      if (offer !== undefined) present.set(id, { version, offer });
    }
    this.known = present;
    return new Map([...present].map(([id, { offer }]) => [id, offer]));
  }
}
