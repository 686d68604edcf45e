import {
  DATASET_MANIFEST_MAX_BYTES,
  decodeDatasetManifest,
  decodeJobSpec,
  JOB_SPEC_MAX_BYTES,
  type JobHeader,
  ProtocolError,
  type Reference,
} from '@cotrain/protocol';
import { NotFoundError, SwarmClient, SwarmError } from '@cotrain/swarm';

/** The documents behind a JobSpec are missing or wrong. */
export class UnusableJobSpecError extends Error {
  override readonly name = 'UnusableJobSpecError';
  readonly retryable = false;
}

/** Documents could not be read now: the store is down or slow, or too many are being read. */
export class DocumentsUnavailableError extends Error {
  override readonly name = 'DocumentsUnavailableError';
  readonly retryable = true;
}

export interface JobHeaderSourceOptions {
  swarmUrl: string;
  /** For both documents together. */
  timeoutMs?: number;
  maxParallel?: number;
}

/**
 * Derives JobHeaders from JobSpecs on Swarm. Strangers choose the references, so bytes, time and the number of
 * downloads at once are bounded.
 */
export class JobHeaderSource {
  private running = 0;

  constructor(private readonly options: JobHeaderSourceOptions) {}

  /** @throws UnusableJobSpecError, DocumentsUnavailableError */
  async headerOf(jobSpecReference: Reference): Promise<JobHeader> {
    const { swarmUrl, timeoutMs = 10_000, maxParallel = 8 } = this.options;
    if (this.running >= maxParallel)
      throw new DocumentsUnavailableError('Too many JobSpecs are being read at the moment; try again in some seconds.');
    this.running++;
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const swarm = new SwarmClient({ url: swarmUrl, timeoutMs, retries: 1, cacheBytes: 2 ** 20, signal });
      return await readHeader(swarm, jobSpecReference);
    } catch (error) {
      if (signal.aborted)
        throw new DocumentsUnavailableError(`The documents were not read within ${String(timeoutMs / 1000)} s.`, {
          cause: error,
        });
      // What is not there may come later, but it is for the caller to upload it.
      if (error instanceof SwarmError && error.retryable && !(error instanceof NotFoundError))
        throw new DocumentsUnavailableError('The Swarm store does not answer now; try again.', { cause: error });
      if (error instanceof ProtocolError || error instanceof SwarmError || error instanceof UnusableJobSpecError)
        throw new UnusableJobSpecError(error.message, { cause: error });
      throw error;
    } finally {
      this.running--;
    }
  }
}

async function readHeader(swarm: SwarmClient, jobSpecReference: Reference): Promise<JobHeader> {
  const spec = decodeJobSpec(await swarm.download(jobSpecReference, { maxBytes: JOB_SPEC_MAX_BYTES }));
  const manifest = decodeDatasetManifest(
    await swarm.download(spec.dataset.manifestReference, { maxBytes: DATASET_MANIFEST_MAX_BYTES }),
  );
  const { trainSplit } = spec.dataset;
  const split = Object.hasOwn(manifest.splits, trainSplit) ? manifest.splits[trainSplit] : undefined;
  if (split === undefined)
    throw new UnusableJobSpecError(
      `dataset.trainSplit is ${trainSplit}; the dataset has ${Object.keys(manifest.splits).join(', ')}.`,
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
