import type { Transaction } from '../database/database.ts';
import type { OfferView } from './fold-offer.ts';
import { insertRows } from './insert-rows.ts';

/** An offer to write, with what its rows hold now (null: it has none). */
export interface OfferRow {
  before: OfferView | null;
  offer: OfferView;
}

/**
 * Offers as the fold knows them. One query after the other: with `include` Prisma would run those for payers, bids and
 * rounds at once, and the one connection of a transaction has one query at a time.
 */
export async function readOffers(ids: readonly number[], tx: Transaction): Promise<Map<number, OfferView>> {
  const where = { offerId: { in: [...ids] } };
  const rows = await tx.offer.findMany({ where: { id: where.offerId } });
  const payers = await tx.offerPayer.findMany({ where, orderBy: { position: 'asc' } });
  const bids = await tx.offerBid.findMany({ where, orderBy: { trainer: 'asc' } });
  const rounds = await tx.verificationRound.findMany({ where, orderBy: { round: 'asc' } });
  const payersOf = Map.groupBy(payers, ({ offerId }) => offerId);
  const bidsOf = Map.groupBy(bids, ({ offerId }) => offerId);
  const roundsOf = Map.groupBy(rounds, ({ offerId }) => offerId);
  return new Map(
    rows.map((row) => [
      row.id,
      {
        ...row,
        payers: (payersOf.get(row.id) ?? []).map(({ offerId: _, position: __, ...payer }) => payer),
        bids: (bidsOf.get(row.id) ?? []).map(({ offerId: _, ...bid }) => bid),
        rounds: (roundsOf.get(row.id) ?? []).map(({ offerId: _, ...round }) => round),
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
