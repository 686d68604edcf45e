import type { Transaction } from '../database/database.ts';
import type { OfferView } from './fold-offer.ts';
import { insertRows } from './insert-rows.ts';

/** An offer to write, with what its rows hold now (null: it has none). */
export interface OfferRow {
  before: OfferView | null;
  offer: OfferView;
}

/** Offers as the fold knows them. */
export async function readOffers(ids: readonly number[], tx: Transaction): Promise<Map<number, OfferView>> {
  const rows = await tx.offer.findMany({
    where: { id: { in: [...ids] } },
    include: {
      payers: { orderBy: { position: 'asc' } },
      bids: { orderBy: { trainer: 'asc' } },
      rounds: { orderBy: { round: 'asc' } },
    },
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

/** Writes offers and those of their payers, bids and rounds that changed. The fold never takes one of these away. */
export async function writeOffers(changes: readonly OfferRow[], tx: Transaction): Promise<void> {
  const changed = <T>(before: readonly T[] | undefined, after: readonly T[]): [number, T][] => {
    const known = new Set(before);
    return [...after.entries()].filter(([, item]) => !known.has(item));
  };
  await insertRows(
    tx,
    'Offer',
    changes.map(({ offer: { payers: _payers, bids: _bids, rounds: _rounds, ...row } }) => row),
    ['id'],
  );
  await insertRows(
    tx,
    'OfferPayer',
    changes.flatMap(({ before, offer }) =>
      changed(before?.payers, offer.payers).map(([position, payer]) => ({ offerId: offer.id, position, ...payer })),
    ),
    ['offerId', 'position'],
  );
  await insertRows(
    tx,
    'OfferBid',
    changes.flatMap(({ before, offer }) =>
      changed(before?.bids, offer.bids).map(([, bid]) => ({ offerId: offer.id, ...bid })),
    ),
    ['offerId', 'trainer'],
  );
  await insertRows(
    tx,
    'VerificationRound',
    changes.flatMap(({ before, offer }) =>
      changed(before?.rounds, offer.rounds).map(([, round]) => ({ offerId: offer.id, ...round })),
    ),
    ['offerId', 'round'],
  );
}
