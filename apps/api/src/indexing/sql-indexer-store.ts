import type { BlockHeader, ChainEvent, IndexerStore } from '@cotrain/chain';
import type { Database, Transaction } from '../database/database.ts';
import { jsonArguments } from './decode-log.ts';
import { foldOffer, type OfferView, type StoredEvent } from './fold-offer.ts';
import { type OfferRow, readOffers, writeOffers } from './offer-tables.ts';
import { publishAll } from './outbox.ts';
import { insertRows } from './insert-rows.ts';

const largestInt32 = 2 ** 31 - 1;

/**
 * The indexer's tables. An offer's rows are the fold of its events: forward they are folded on, after a rollback they
 * are folded again from what is left. Both give the same rows.
 */
export class SqlIndexerStore implements IndexerStore<Transaction> {
  constructor(private readonly database: Database) {}

  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.database.prisma.$transaction(async (tx) => {
      // Readers go on; another replica's indexer waits here and then finds that the head has moved.
      await tx.$executeRaw`LOCK TABLE "BlockHeader" IN SHARE ROW EXCLUSIVE MODE`;
      return work(tx);
    });
  }

  async head(tx: Transaction = this.database.prisma): Promise<BlockHeader | null> {
    return (await tx.blockHeader.findFirst({ orderBy: { number: 'desc' } })) as BlockHeader | null;
  }

  async headers(): Promise<BlockHeader[]> {
    return (await this.database.prisma.blockHeader.findMany({ orderBy: { number: 'asc' } })) as BlockHeader[];
  }

  async appendHeaders(headers: readonly BlockHeader[], tx: Transaction): Promise<void> {
    await insertRows(tx, 'BlockHeader', headers);
  }

  async pruneHeaders(blockNumber: number, tx: Transaction): Promise<void> {
    await tx.blockHeader.deleteMany({ where: { number: { lt: blockNumber } } });
  }

  async applyEvents(events: readonly ChainEvent[], tx: Transaction): Promise<void> {
    if (events.length === 0) return;
    const rows = events.map(({ blockHash: _, ...event }) => {
      const args = jsonArguments(event.args);
      return { ...event, args, offerId: offerIdOf(args) };
    });
    await insertRows(tx, 'ChainEvent', rows);
    const byOffer = Map.groupBy(rows, ({ offerId }) => offerId);
    byOffer.delete(null); // events of no offer
    const ids = [...byOffer.keys()].filter((id) => id !== null);
    const before = await readOffers(ids, tx);
    const changes: OfferRow[] = ids.flatMap((id) => {
      const start = before.get(id) ?? null;
      const offer = foldOffer(byOffer.get(id) ?? [], start);
      return offer === null ? [] : [{ before: start, offer }];
    });
    await writeOffers(changes, tx);
    await publishAll(
      tx,
      ids.map((offerId) => ({ topic: 'offer', offerId, payload: {} })),
    );
  }

  async rollbackTo(blockNumber: number, tx: Transaction): Promise<void> {
    const gone = await tx.chainEvent.findMany({
      where: { blockNumber: { gt: blockNumber }, offerId: { not: null } },
      distinct: ['offerId'],
      select: { offerId: true },
    });
    const ids = gone.map(({ offerId }) => offerId).filter((id) => id !== null);
    await tx.chainEvent.deleteMany({ where: { blockNumber: { gt: blockNumber } } });
    await tx.blockHeader.deleteMany({ where: { number: { gt: blockNumber } } });
    const left = await tx.chainEvent.findMany({
      where: { offerId: { in: ids } },
      orderBy: [{ blockNumber: 'asc' }, { logIndex: 'asc' }],
    });
    const byOffer = Map.groupBy(left, ({ offerId }) => offerId);
    const offers = ids
      .map((id) => foldOffer((byOffer.get(id) ?? []) as unknown as StoredEvent[]))
      .filter((offer): offer is OfferView => offer !== null);
    await tx.offer.deleteMany({ where: { id: { in: ids } } });
    await writeOffers(
      offers.map((offer) => ({ before: null, offer })),
      tx,
    );
    await publishAll(
      tx,
      ids.map((offerId) => ({ topic: 'offer', offerId, payload: { reorganised: true } })),
    );
  }
}

/** Null for an event of no offer. Also for an id beyond the column: the market counts from 1 and never gets there. */
function offerIdOf(args: Record<string, unknown>): number | null {
  const id = Number(args['offerId'] ?? NaN);
  return id >= 0 && id <= largestInt32 ? id : null;
}
