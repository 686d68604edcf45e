import {
  checkSpecAgainstHeader,
  decodeDatasetManifest,
  DATASET_MANIFEST_MAX_BYTES,
  decodeJobSpec,
  decodeProgram,
  type JobHeader,
  type JobSpec,
  JOB_SPEC_MAX_BYTES,
  PROGRAM_MAX_BYTES,
  type Program,
} from '@cotrain/protocol';
import type { OfferView } from '../indexing/fold-offer.ts';
import type { DocumentStore } from './cached-store.ts';

/**
 * What was found behind an offer's references: its documents, or why it cannot be matched. `final`: it is what the
 * references themselves say, so that asking again cannot help.
 */
export type OfferDocuments =
  { matchable: true; jobSpec: JobSpec; program: Program } | { matchable: false; reason: string; final: boolean };

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
 * Fetches and checks everything that an offer points to. What is wrong with the documents is the answer, never an
 * exception; what is missing, damaged on its way or not reachable is not final.
 */
export async function fetchDocuments(offer: Pick<OfferView, 'header'>, store: DocumentStore): Promise<OfferDocuments> {
  try {
    const header = headerOf(offer);
    const jobSpec = decodeJobSpec(await store.download(header.jobSpecReference, { maxBytes: JOB_SPEC_MAX_BYTES }));
    checkSpecAgainstHeader(jobSpec, header);
    const program = decodeProgram(await store.download(header.programReference, { maxBytes: PROGRAM_MAX_BYTES }));
    await checkDataset(jobSpec, header, store);
    await store.lengthOf(header.initialStateReference);
    return { matchable: true, jobSpec, program };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { matchable: false, reason, final: isFinal(error) };
  }
}

/** The dataset that the JobSpec names does not hold the rows that the JobHeader fixes. */
export class DatasetMismatchError extends Error {
  override readonly name = 'DatasetMismatchError';
  readonly retryable = false;
}

async function checkDataset(spec: JobSpec, header: JobHeader, store: DocumentStore): Promise<void> {
  const { manifestReference, trainSplit, testSplit } = spec.dataset;
  const manifest = decodeDatasetManifest(
    await store.download(manifestReference, { maxBytes: DATASET_MANIFEST_MAX_BYTES }),
  );
  const split = Object.hasOwn(manifest.splits, trainSplit) ? manifest.splits[trainSplit] : undefined;
  if (split === undefined)
    throw new DatasetMismatchError(`The dataset ${manifestReference} has no split "${trainSplit}" to train on.`);
  if (testSplit !== undefined && !Object.hasOwn(manifest.splits, testSplit))
    throw new DatasetMismatchError(`The dataset ${manifestReference} has no split "${testSplit}" to test on.`);
  const pairs: [string, string, string][] = [
    ['training view', split.viewReference, header.trainingViewReference],
    ['rows', String(split.rows), String(header.rows)],
    ['rowBytes', String(split.rowBytes), String(header.rowBytes)],
  ];
  for (const [field, inManifest, inHeader] of pairs)
    if (inManifest !== inHeader)
      throw new DatasetMismatchError(
        `Split "${trainSplit}" of ${manifestReference}: ${field} is ${inManifest}, but the offer's JobHeader says ${inHeader}.`,
      );
  const length = await store.lengthOf(header.trainingViewReference);
  const bytes = Number(header.rows) * header.rowBytes;
  if (length !== bytes)
    throw new DatasetMismatchError(
      `The training view ${header.trainingViewReference} has ${String(length)} bytes; ${String(header.rows)} rows of ${String(header.rowBytes)} are ${String(bytes)}.`,
    );
}

/** Errors say of themselves whether asking again can help; what does not say so may be anything, and is asked again. */
function isFinal(error: unknown): boolean {
  return error instanceof Error && 'retryable' in error && error.retryable === false;
}
