import {
  type BackendName,
  encodeDatasetManifest,
  encodeJobSpec,
  encodeProgram,
  type JobHeader,
  type JobSpec,
  type Program,
  type Reference,
  rowBytes,
  type Runtime,
  type ViewColumn,
} from '@cotrain/protocol';
import { buildInitialState } from '../initial-state.ts';
import type { ContentStore } from '../store.ts';

export interface JobToPublish {
  program: Program;
  columns: ViewColumn[];
  train: Uint8Array;
  test?: Uint8Array;
  seed?: bigint;
  steps: number;
  batchSize: number;
  commitEvery: number;
  checkpointEvery?: number;
  backends?: BackendName[];
  /** tfjs/1 unless given. */
  runtime?: Runtime;
  evaluateEvery?: number;
  tolerance?: JobSpec['tolerance'];
  resources?: Partial<JobSpec['resources']>;
  /** Instead of the one that follows from the seed. */
  initialStateReference?: Reference;
  /** Names a test view that nobody uploads. */
  missingTest?: boolean;
}

const noTolerance = { absolute: 0, relative: 0, drift: 0 };

/** Uploads everything a requester uploads and returns the JobHeader of his offer. */
export async function publishJob(store: ContentStore, job: JobToPublish): Promise<JobHeader> {
  const { program, columns, train, test, seed = 7n, steps, batchSize, commitEvery, runtime = 'tfjs/1' } = job;
  const stride = rowBytes(columns);
  const splits: Record<string, { viewReference: Reference; rows: number; rowBytes: number }> = {
    train: { viewReference: await store.upload(train), rows: train.length / stride, rowBytes: stride },
  };
  if (test !== undefined)
    splits['test'] = { viewReference: await store.upload(test), rows: test.length / stride, rowBytes: stride };
  if (job.missingTest === true) splits['test'] = { viewReference: `0x${'ee'.repeat(32)}`, rows: 60, rowBytes: stride };
  const manifestReference = await store.upload(
    encodeDatasetManifest({ version: 'cotrain.dataset/1', name: 'test data', license: 'MIT', columns, splits }),
  );
  const programReference = await store.upload(encodeProgram(program));
  const initialStateReference =
    job.initialStateReference ?? (await store.upload(await buildInitialState(program, seed, runtime)));
  const spec: JobSpec = {
    version: 'cotrain.job/1',
    name: 'test job',
    runtime,
    dataset: { manifestReference, trainSplit: 'train', ...('test' in splits ? { testSplit: 'test' } : {}) },
    programReference,
    initialStateReference,
    seed: String(seed),
    steps,
    batchSize,
    commitEvery,
    checkpointEvery: job.checkpointEvery ?? commitEvery,
    ...(job.evaluateEvery === undefined ? {} : { evaluateEvery: job.evaluateEvery }),
    backends: runtime === 'exact/1' ? ['exact'] : (job.backends ?? ['wasm', 'cpu']),
    resources: {
      gpuMemoryMiB: 0,
      gpuCount: 0,
      cpuMilli: 1_000,
      memoryMiB: 512,
      estimatedGpuSeconds: 60,
      ...job.resources,
    },
    deadlineSeconds: 3_600,
    tolerance: job.tolerance ?? (runtime === 'exact/1' ? noTolerance : { absolute: 1e-4, relative: 1e-3, drift: 1e-3 }),
  };
  return {
    jobSpecReference: await store.upload(encodeJobSpec(spec)),
    programReference,
    trainingViewReference: splits['train']?.viewReference ?? '0x',
    initialStateReference,
    rows: BigInt(train.length / stride),
    rowBytes: stride,
    seed,
    steps,
    batchSize,
    commitEvery,
  };
}
