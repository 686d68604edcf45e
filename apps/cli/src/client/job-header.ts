import {
  DATASET_MANIFEST_MAX_BYTES,
  decodeDatasetManifest,
  decodeJobSpec,
  JOB_SPEC_MAX_BYTES,
  type JobHeader,
  type Reference,
} from '@cotrain/protocol';
import type { SwarmClient } from '@cotrain/swarm';
import { CommandError, exitCodes } from './errors.ts';

/**
 * What an offer for this JobSpec must have as its JobHeader: it follows from JobSpec and dataset, which the store
 * cannot forge.
 * @throws CommandError with exit code 2 when the dataset has no such split
 */
export async function readJobHeader(
  swarm: Pick<SwarmClient, 'download'>,
  jobSpecReference: Reference,
): Promise<JobHeader> {
  const spec = decodeJobSpec(await swarm.download(jobSpecReference, { maxBytes: JOB_SPEC_MAX_BYTES }));
  const manifest = decodeDatasetManifest(
    await swarm.download(spec.dataset.manifestReference, { maxBytes: DATASET_MANIFEST_MAX_BYTES }),
  );
  const { trainSplit } = spec.dataset;
  const split = Object.hasOwn(manifest.splits, trainSplit) ? manifest.splits[trainSplit] : undefined;
  if (split === undefined)
    throw new CommandError(
      exitCodes.usage,
      `--train-split is ${trainSplit}; the dataset has ${Object.keys(manifest.splits).join(', ')}.`,
    );
  const { programReference, initialStateReference, steps, batchSize, commitEvery } = spec;
  return {
    jobSpecReference,
    programReference,
    trainingViewReference: split.viewReference,
    initialStateReference,
    rows: BigInt(split.rows),
    rowBytes: split.rowBytes,
    seed: BigInt(spec.seed),
    steps,
    batchSize,
    commitEvery,
  };
}
