import type { Prisma } from '../generated/prisma/client.ts';
import type { Database } from '../database/database.ts';
import type { Offer } from './types.ts';

/** Relations that an offer is shown with. */
export const offerRelations = {
  payers: { orderBy: { position: 'asc' } },
  bids: { orderBy: { placedId: 'asc' } },
  rounds: { orderBy: { round: 'asc' } },
} satisfies Prisma.OfferInclude;

type OfferRow = Prisma.OfferGetPayload<{ include: typeof offerRelations }>;

/** Rows as GraphQL shows them, with what is known of their documents. */
export async function offersView(rows: readonly OfferRow[], database: Database): Promise<Offer[]> {
  const documents = new Map(
    (await database.prisma.offerDocuments.findMany({ where: { offerId: { in: rows.map(({ id }) => id) } } })).map(
      (row) => [row.offerId, row],
    ),
  );
  return rows.map((row) => {
    const found = documents.get(row.id);
    return {
      ...row,
      headerJson: JSON.stringify(row.header),
      termsJson: JSON.stringify(row.terms),
      rounds: row.rounds as unknown as Offer['rounds'],
      matchable: found?.matchable ?? null,
      unmatchableReason: found?.reason ?? null,
      jobSpecJson: found?.jobSpec == null ? null : JSON.stringify(found.jobSpec),
    };
  });
}
