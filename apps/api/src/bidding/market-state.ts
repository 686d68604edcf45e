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
 * Reads the state of the market, look after look. Offers change with blocks only, so between blocks they are not asked
 * for; with a new block only those are read that changed: the version of their rows tells.
 */
export class MarketStateReader {
  private known = new Map<number, { version: string; offer: OfferView }>();
  /** The newest block at the last look. */
  private knownHash = '';

  constructor(private readonly database: Database) {}

  /** Null before the first block is indexed. */
  async read(accounts: ReadonlySet<string>): Promise<MarketState | null> {
    const { prisma } = this.database;
    const newest = await prisma.blockHeader.findFirst({ orderBy: { number: 'desc' } });
    if (newest === null) return null;
    const held = await prisma.reservation.findMany({ where: { state: 'held' }, select: { offerId: true } });
    const heldIds = held.map(({ offerId }) => offerId);
    const offers = await this.offersAt(newest.hash, heldIds);
    const ids = [...offers.keys()];
    // One parameter, not one for each of thousands of offers.
    const reservations = await prisma.$queryRaw<Reservation[]>`
      SELECT * FROM "Reservation" WHERE "offerId" = ANY (${[...new Set([...ids, ...heldIds])]})`;
    const jobs = await prisma.$queryRaw<TrainingJob[]>`
      SELECT * FROM "TrainingJob" WHERE "offerId" = ANY (${ids}) OR "state" = 'running'`;
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

  private async offersAt(hash: string, heldIds: readonly number[]): Promise<Map<number, OfferView>> {
    if (hash !== this.knownHash || heldIds.some((id) => !this.known.has(id))) {
      // Should this fail, the next look must not take what is known for that block's.
      this.knownHash = '';
      await this.readOffers(heldIds);
      this.knownHash = hash;
    }
    const held = new Set(heldIds);
    return new Map(
      [...this.known].flatMap(([id, { offer }]) =>
        openStates.includes(offer.state) || held.has(id) ? [[id, offer]] : [],
      ),
    );
  }

  /** By id, ascending. Every event of an offer writes its row, also one that changes only its bids. */
  private async readOffers(heldIds: readonly number[]): Promise<void> {
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
  }
}
