import type { BlockHeader, ChainEvent, IndexerStore } from '@cotrain/chain';
import type { Database, Transaction } from '../database/database.ts';
import type { Prisma } from '../generated/prisma/client.ts';
import { jsonArguments } from './decode-log.ts';
import { foldOffer, type OfferView, type StoredEvent } from './fold-offer.ts';
import { publish } from './outbox.ts';

/**
 * The indexer's tables. An offer's rows are the fold of its events: forward they are folded on, after a rollback they
 * are folded again from what is left. Both give the same rows.
 */
export class SqlIndexerStore implements IndexerStore<Transaction> {
  constructor(private readonly database: Database) {}

  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.database.prisma.$transaction(work);
  }

  async head(): Promise<BlockHeader | null> {
    return (await this.database.prisma.blockHeader.findFirst({ orderBy: { number: 'desc' } })) as BlockHeader | null;
  }

  async header(number: number): Promise<BlockHeader | null> {
    return (await this.database.prisma.blockHeader.findUnique({ where: { number } })) as BlockHeader | null;
  }

  async oldestHeaderNumber(): Promise<number | null> {
    return (await this.database.prisma.blockHeader.findFirst({ orderBy: { number: 'asc' } }))?.number ?? null;
  }

  async appendHeaders(headers: readonly BlockHeader[], tx: Transaction): Promise<void> {
    await tx.blockHeader.createMany({ data: [...headers] });
  }

  async pruneHeaders(blockNumber: number, tx: Transaction): Promise<void> {
    await tx.blockHeader.deleteMany({ where: { number: { lt: blockNumber } } });
  }

  async applyEvents(events: readonly ChainEvent[], tx: Transaction): Promise<void> {
    if (events.length === 0) return;
    const stored = events.map((event) => {
      const args = jsonArguments(event.args);
      return { ...event, args, offerId: 'offerId' in args ? Number(args['offerId']) : null };
    });
    await tx.chainEvent.createMany({
      data: stored.map(
        ({ id, blockNumber, logIndex, blockTimestamp, transactionHash, address, eventName, offerId, args }) => ({
          id,
          blockNumber,
          logIndex,
          blockTimestamp,
          transactionHash,
          address,
          eventName,
          offerId,
          args: args as Prisma.InputJsonObject,
        }),
      ),
    });
    const byOffer = Map.groupBy(
      stored.filter((event) => event.offerId !== null),
      (event) => event.offerId ?? 0,
    );
    const present = await readOffers([...byOffer.keys()], tx);
    const folded = [...byOffer].map(([offerId, offerEvents]) => foldOffer(offerEvents, present.get(offerId) ?? null));
    await replaceOffers([...byOffer.keys()], folded, tx);
    for (const offerId of byOffer.keys()) await publish(tx, 'offer', offerId, {});
  }

  async rollbackTo(blockNumber: number, tx: Transaction): Promise<void> {
    const gone = await tx.chainEvent.findMany({
      where: { blockNumber: { gt: blockNumber }, offerId: { not: null } },
      distinct: ['offerId'],
      select: { offerId: true },
    });
    const offerIds = gone.map(({ offerId }) => offerId ?? 0);
    await tx.chainEvent.deleteMany({ where: { blockNumber: { gt: blockNumber } } });
    await tx.blockHeader.deleteMany({ where: { number: { gt: blockNumber } } });
    const left = await tx.chainEvent.findMany({
      where: { offerId: { in: offerIds } },
      orderBy: [{ blockNumber: 'asc' }, { logIndex: 'asc' }],
    });
    const byOffer = Map.groupBy(left, (event) => event.offerId ?? 0);
    await replaceOffers(
      offerIds,
      offerIds.map((offerId) => foldOffer((byOffer.get(offerId) ?? []) as unknown as StoredEvent[])),
      tx,
    );
    for (const offerId of offerIds) await publish(tx, 'offer', offerId, { reorganised: true });
  }
}

/** Offers as the fold knows them. */
export async function readOffers(ids: readonly number[], tx: Transaction): Promise<Map<number, OfferView>> {
  const rows = await tx.offer.findMany({
    where: { id: { in: [...ids] } },
    include: { payers: { orderBy: { position: 'asc' } }, bids: true, rounds: { orderBy: { round: 'asc' } } },
  });
  return new Map(
    rows.map((row) => [
      row.id,
      {
        ...row,
        payers: row.payers.map(({ payer, units, paidWei, refundedWei }) => ({ payer, units, paidWei, refundedWei })),
        bids: row.bids.map(({ trainer, priceWei, placedId, displaced, forfeited }) => ({
          trainer,
          priceWei,
          placedId,
          displaced,
          forfeited,
        })),
        rounds: row.rounds.map(({ offerId: _, ...round }) => round),
      } as unknown as OfferView,
    ]),
  );
}

async function replaceOffers(
  ids: readonly number[],
  offers: readonly (OfferView | null)[],
  tx: Transaction,
): Promise<void> {
  await tx.offer.deleteMany({ where: { id: { in: [...ids] } } });
  const present = offers.filter((offer) => offer !== null);
  const json = (value: unknown): Prisma.InputJsonValue => value as Prisma.InputJsonValue;
  await tx.offer.createMany({
    data: present.map(({ payers: _payers, bids: _bids, rounds: _rounds, ...row }) => ({
      ...row,
      header: json(row.header),
      terms: json(row.terms),
    })),
  });
  await tx.offerPayer.createMany({
    data: present.flatMap((offer) =>
      offer.payers.map((payer, position) => ({ offerId: offer.id, position, ...payer })),
    ),
  });
  await tx.offerBid.createMany({
    data: present.flatMap((offer) => offer.bids.map((bid) => ({ offerId: offer.id, ...bid }))),
  });
  await tx.verificationRound.createMany({
    data: present.flatMap((offer) =>
      offer.rounds.map((round) => ({
        offerId: offer.id,
        ...round,
        validators: json(round.validators),
        segments: json(round.segments),
        votes: json(round.votes),
      })),
    ),
  });
}
