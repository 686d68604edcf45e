import {
  checkSpecAgainstHeader,
  decodeJobSpec,
  decodeProgram,
  type JobHeader,
  type JobSpec,
  JOB_SPEC_MAX_BYTES,
  PROGRAM_MAX_BYTES,
  ProtocolError,
  type Program,
} from '@cotrain/protocol';
import { StoreUnavailableError, type SwarmClient } from '@cotrain/swarm';
import type { Database } from '../database/database.ts';
import type { Prisma } from '../generated/prisma/client.ts';
import type { OfferView } from '../indexing/fold-offer.ts';

/** The documents behind an offer, or why it cannot be matched. */
export type OfferDocuments =
  { matchable: true; jobSpec: JobSpec; program: Program } | { matchable: false; reason: string };

/** The JobHeader as the chain's event tells it. */
export function headerOf(offer: Pick<OfferView, 'header'>): JobHeader {
  const header = offer.header as Record<string, string | number>;
  return {
    jobSpecReference: header['jobSpecReference'] as JobHeader['jobSpecReference'],
    programReference: header['programReference'] as JobHeader['programReference'],
    trainingViewReference: header['trainingViewReference'] as JobHeader['trainingViewReference'],
    initialStateReference: header['initialStateReference'] as JobHeader['initialStateReference'],
    rows: BigInt(header['rows'] ?? 0),
    rowBytes: Number(header['rowBytes']),
    seed: BigInt(header['seed'] ?? 0),
    steps: Number(header['steps']),
    batchSize: Number(header['batchSize']),
    commitEvery: Number(header['commitEvery']),
  };
}

/**
 * Fetches and checks an offer's JobSpec and program once. What is wrong with them is stored as the reason why the
 * offer cannot be matched; a store that is down is not the offer's fault and is thrown on.
 * @throws StoreUnavailableError
 */
export async function loadDocuments(offer: OfferView, database: Database, swarm: SwarmClient): Promise<OfferDocuments> {
  const known = await database.prisma.offerDocuments.findUnique({ where: { offerId: offer.id } });
  if (known?.jobHeaderHash === offer.jobHeaderHash) {
    if (!known.matchable) return { matchable: false, reason: known.reason ?? 'unknown reason' };
    return {
      matchable: true,
      jobSpec: known.jobSpec as unknown as JobSpec,
      program: known.program as unknown as Program,
    };
  }
  const found = await fetchDocuments(offer, swarm);
  const row = {
    jobHeaderHash: offer.jobHeaderHash,
    matchable: found.matchable,
    reason: found.matchable ? null : found.reason.slice(0, 500),
    ...(found.matchable
      ? {
          jobSpec: found.jobSpec as unknown as Prisma.InputJsonObject,
          program: found.program as unknown as Prisma.InputJsonObject,
        }
      : {}),
  };
  await database.prisma.offerDocuments.upsert({
    where: { offerId: offer.id },
    create: { offerId: offer.id, ...row },
    update: row,
  });
  return found;
}

async function fetchDocuments(offer: OfferView, swarm: SwarmClient): Promise<OfferDocuments> {
  try {
    const header = headerOf(offer);
    const jobSpec = decodeJobSpec(await swarm.download(header.jobSpecReference, { maxBytes: JOB_SPEC_MAX_BYTES }));
    checkSpecAgainstHeader(jobSpec, header);
    const program = decodeProgram(await swarm.download(header.programReference, { maxBytes: PROGRAM_MAX_BYTES }));
    return { matchable: true, jobSpec, program };
  } catch (error) {
    if (error instanceof StoreUnavailableError) throw error;
    if (error instanceof ProtocolError || (error instanceof Error && 'retryable' in error && error.retryable === false))
      return { matchable: false, reason: error.message };
    throw error;
  }
}
