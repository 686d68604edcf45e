import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { JobBackendName, JobHeader, LogHeader, Reference } from '@cotrain/protocol';
import { WorkdirInUseError } from './errors.ts';
import { loadJob, readInitialState } from './job.ts';
import { LogFile } from './log-file.ts';
import { boundsOf, type ProgramBounds } from './model.ts';
import type { ProgressEvent } from './progress.ts';
import { restoreFromDisk, restoreFromSwarm } from './restore.ts';
import { selectFor, type Wanted } from './select-runtime.ts';
import { type Runner, type RunnerOptions, StepRunner } from './step-runner.ts';
import type { ContentStore, Patience } from './store.ts';
import { TrainingRun } from './training-run.ts';
import { softwareName } from './version.ts';
import { lockWorkdir } from './workdir-lock.ts';

export interface TrainOptions extends Wanted {
  store: ContentStore;
  header: JobHeader;
  /** Holds the log and the checkpoint; the same directory continues an interrupted run. */
  workdir: string;
  /** Asks for a checkpoint and an end. */
  signal?: AbortSignal;
  onProgress?: (event: ProgressEvent) => void;
  /** What executes the steps; StepRunner unless given. */
  createRunner?: (options: RunnerOptions) => Promise<Runner>;
  /** Log that an earlier run published on its way, to continue from when the workdir holds nothing to continue from. */
  resumeFrom?: Reference;
  /** Publish the log so far at most this often; 60 s unless given. */
  publishLogEveryMs?: number;
  /** Bytes of the training view kept in memory. */
  cacheBytes?: number;
  bounds?: ProgramBounds;
  patience?: Omit<Patience, 'signal'>;
  /** Monotonic milliseconds, for telemetry only. */
  now?: () => number;
}

/** What a trained job commits to. */
export interface TrainResult {
  logReference: Reference;
  modelReference: Reference;
  steps: number;
  backend: JobBackendName;
  testAccuracy: number | null;
  testLoss: number | null;
}

/**
 * Trains a job from its JobHeader to an uploaded log and model. Killed at any moment and called again with the same
 * workdir, it gives the same bytes as if it had never stopped.
 * Rows and weights decide over the result, never over whether there is one: a segment with a step that has no finite
 * result is void, so that no dataset or learning rate can keep a trainer from finishing.
 * @throws InvalidJobError, UnsupportedProgramError, BackendUnavailableError, KernelMissingError (terminal);
 *   TrainingInterruptedError, WorkdirLockedError, JobInputUnavailableError, StoreUnavailableError (try again)
 */
export async function trainJob(options: TrainOptions): Promise<TrainResult> {
  await mkdir(options.workdir, { recursive: true });
  const unlock = await lockWorkdir(options.workdir);
  try {
    return await trainInWorkdir(options);
  } finally {
    await unlock();
  }
}

async function trainInWorkdir(options: TrainOptions): Promise<TrainResult> {
  const { store, header, workdir, signal } = options;
  const patience: Patience = { ...options.patience, ...(signal === undefined ? {} : { signal }) };
  const job = await loadJob(store, header, patience);
  const logPath = join(workdir, 'training.log');
  const begun = await LogFile.header(logPath);
  if (begun !== null && begun.jobHeaderHash !== job.headerHash)
    throw new WorkdirInUseError(`${workdir} holds another job (${begun.jobHeaderHash}): choose an empty directory.`);
  // A run is continued on the backend it began on; another one would round differently. exact/1 has but one.
  const { backend, computer } = await selectFor(job.spec, { ...options, backend: begun?.backend ?? options.backend });
  const logHeader: LogHeader = {
    version: 'cotrain.log/1',
    jobHeaderHash: job.headerHash,
    backend,
    runtime: job.spec.runtime,
    software: softwareName,
  };
  const { createRunner = (settings) => StepRunner.create(settings) } = options;
  const runner = await createRunner({
    program: job.program,
    columns: job.manifest.columns,
    seed: header.seed,
    batchSize: header.batchSize,
    bounds: options.bounds ?? boundsOf(job.spec),
  });
  let log: LogFile | null = null;
  try {
    const restored =
      (await restoreFromDisk(workdir, logPath, job, logHeader)) ??
      (options.resumeFrom === undefined
        ? null
        : await restoreFromSwarm(store, options.resumeFrom, logPath, job, logHeader, runner.layout, patience));
    log = restored?.log ?? (await LogFile.create(logPath, logHeader));
    runner.writeState(restored?.state ?? (await readInitialState(store, job, runner.layout, patience)));
    return await new TrainingRun(options, job, runner, log, patience).train({ backend, computer }, restored);
  } finally {
    await log?.close();
    runner.dispose();
  }
}
