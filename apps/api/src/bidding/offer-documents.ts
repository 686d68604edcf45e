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
 * Tolerances that float32 arithmetic itself needs: other backends, processors and versions sum in another order, and an
 * honest trainer must not be convicted for that. For the trainer tests' small network cpu and wasm differ after 128 steps by up
 * to 2.4e-7 in a parameter and 4e-8 in the root mean square; larger models, and GPUs, by orders of magnitude more. A
 * JobSpec may not ask for less than this, which leaves room for those.
 */
export const leastTolerance = { absolute: 1e-4, relative: 1e-3, drift: 1e-3 } as const;

/** A JobSpec's tolerance is tighter than floating point is. */
export class ToleranceTooTightError extends Error {
  override readonly name = 'ToleranceTooTightError';
  readonly retryable = false;
}

/** exact/1 has no tolerance: the JobSpec's format sees to that. */
function checkTolerance({ runtime, tolerance }: JobSpec): void {
  if (runtime !== 'tfjs/1') return;
  for (const field of ['absolute', 'relative', 'drift'] as const)
    if (tolerance[field] < leastTolerance[field])
      throw new ToleranceTooTightError(
        `TOLERANCE_TOO_TIGHT: JobSpec.tolerance.${field} is ${String(tolerance[field])}; runtime ${runtime} needs at least ${String(leastTolerance[field])}, or honest trainers are convicted.`,
      );
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
    checkTolerance(jobSpec);
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
