import type { Prisma, TrainingJob as JobRow } from '../generated/prisma/client.ts';
import type { Database } from '../database/database.ts';
import type { VoteView } from '../indexing/fold-offer.ts';
import type { TrainingJob } from './job-types.ts';
import type { JobHeader, Offer, OfferTerms } from './offer-types.ts';

/** Relations that an offer is shown with. */
export const offerRelations = {
  payers: { orderBy: { position: 'asc' } },
  bids: { orderBy: { placedId: 'asc' } },
  rounds: { orderBy: { round: 'asc' } },
} satisfies Prisma.OfferInclude;

export type OfferRow = Prisma.OfferGetPayload<{ include: typeof offerRelations }>;

/** Rows as GraphQL shows them, with what is known of their documents and jobs; two queries for any number of offers. */
export async function offersView(rows: readonly OfferRow[], { prisma }: Database): Promise<Offer[]> {
  const ofThese = { offerId: { in: rows.map(({ id }) => id) } };
  const [documents, jobs] = await Promise.all([
    prisma.offerDocuments.findMany({ where: ofThese, omit: { program: true } }),
    prisma.trainingJob.findMany({ where: ofThese }),
  ]);
  const documentsOf = new Map(documents.map((each) => [each.offerId, each]));
  const jobOf = new Map(jobs.map((each) => [each.offerId, each]));
  return rows.map((row) => {
    // What was found for another header, before a reorganisation, says nothing of this offer.
    const stored = documentsOf.get(row.id);
    const found = stored?.jobHeaderHash === row.jobHeaderHash ? stored : undefined;
    return {
      ...row,
      header: row.header as unknown as JobHeader,
      terms: row.terms as unknown as OfferTerms,
      openedAt: timeOf(row.openedAt),
      deadline: row.deadline === null ? null : timeOf(row.deadline),
      challengeEndsAt: row.challengeEndsAt === null ? null : timeOf(row.challengeEndsAt),
      rounds: row.rounds.map(roundView),
      matchable: found?.matchable ?? null,
      unmatchableReason: found?.reason ?? null,
      jobSpecJson: found?.jobSpec == null ? null : JSON.stringify(found.jobSpec),
      job: jobView(jobOf.get(row.id)),
    };
  });
}

export function jobView(row: JobRow | undefined | null): TrainingJob | null {
  return row ?? null;
}

function roundView(round: OfferRow['rounds'][number]): Offer['rounds'][number] {
  return {
    ...round,
    validators: round.validators as string[],
    segments: round.segments as number[],
    votes: round.votes as unknown as VoteView[],
    commitDeadline: round.commitDeadline === null ? null : timeOf(round.commitDeadline),
    revealDeadline: round.revealDeadline === null ? null : timeOf(round.revealDeadline),
  };
}

/** The chain counts seconds. */
export function timeOf(seconds: number): Date {
  return new Date(seconds * 1_000);
}
