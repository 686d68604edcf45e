import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type BackendName,
  endsSegment,
  type JobHeader,
  LOG_ENTRY_BYTES,
  LOG_HEADER_BYTES,
  type LogHeader,
  type Reference,
} from '@cotrain/protocol';
import { selectBackend } from './backend.ts';
import { type Checkpoint, readCheckpoint, writeCheckpoint } from './checkpoint.ts';
import { InvalidJobError, TrainingDivergedError, TrainingInterruptedError, WorkdirInUseError } from './errors.ts';
import { evaluateSplit } from './evaluation.ts';
import { type Job, loadJob, openView, readInput } from './job.ts';
import { LogFile } from './log-file.ts';
import type { ProgramBounds } from './model.ts';
import type { ProgressEvent } from './progress.ts';
import { BatchStream, RowReader } from './row-reader.ts';
import { type BatchResult, StepRunner } from './step-runner.ts';
import { type ContentStore, type Patience, withPatience } from './store.ts';
import { softwareName } from './version.ts';

/** A step's outcome before it is logged. A test double of a dishonest trainer may change it. */
export interface StepOutcome extends BatchResult {
  step: number;
  readState(): Uint8Array;
  writeState(state: Uint8Array): void;
}

export interface TrainOptions {
  store: ContentStore;
  header: JobHeader;
  /** Holds the log and the checkpoint; the same directory continues an interrupted run. */
  workdir: string;
  /** Exactly this backend instead of the best that the job allows and this machine has. */
  backend?: BackendName;
  /** Asks for a checkpoint and an end. */
  signal?: AbortSignal;
  onProgress?: (event: ProgressEvent) => void;
  /** Called after every step, before it is logged; what it returns is logged instead. */
  onStep?: (outcome: StepOutcome) => BatchResult | undefined;
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
  backend: BackendName;
  testAccuracy: number | null;
  testLoss: number | null;
}

/**
 * Trains a job from its JobHeader to an uploaded log and model. Killed at any moment and called again with the same
 * workdir, it gives the same bytes as if it had never stopped.
 * @throws InvalidJobError, UnsupportedProgramError, BackendUnavailableError, KernelMissingError, TrainingDivergedError (terminal);
 *   TrainingInterruptedError, JobInputUnavailableError, StoreUnavailableError (try again)
 */
export async function trainJob(options: TrainOptions): Promise<TrainResult> {
  const { store, header, workdir, signal } = options;
  const patience: Patience = { ...options.patience, ...(signal === undefined ? {} : { signal }) };
  await mkdir(workdir, { recursive: true });
  const job = await loadJob(store, header, patience);
  const logPath = join(workdir, 'training.log');
  const begun = await LogFile.header(logPath);
  if (begun !== null && begun.jobHeaderHash !== job.headerHash)
    throw new WorkdirInUseError(`${workdir} holds another job (${begun.jobHeaderHash}): choose an empty directory.`);
  // A run is continued on the backend it began on; another one would round differently.
  const backend = await selectBackend(job.spec.backends, begun?.backend ?? options.backend);
  const logHeader: LogHeader = {
    version: 'cotrain.log/1',
    jobHeaderHash: job.headerHash,
    backend,
    runtime: job.spec.runtime,
    software: softwareName,
  };
  const runner = await StepRunner.create({
    program: job.program,
    columns: job.manifest.columns,
    seed: header.seed,
    batchSize: header.batchSize,
    ...(options.bounds === undefined ? {} : { bounds: options.bounds }),
  });
  let log: LogFile | null = null;
  try {
    const checkpointPath = join(workdir, 'checkpoint.bin');
    const restored = begun === null ? null : await restore(checkpointPath, logPath, begun, logHeader, job);
    log = restored?.log ?? (await begin(checkpointPath, logPath, logHeader));
    const initial = restored?.checkpoint.state ?? (await initialState(store, job, runner, patience));
    runner.writeState(initial);
    const run = new TrainingRun(options, job, runner, log, checkpointPath, patience);
    return await run.train(restored?.checkpoint.step ?? 0, backend);
  } finally {
    await log?.close();
    runner.dispose();
  }
}

async function begin(checkpointPath: string, logPath: string, header: LogHeader): Promise<LogFile> {
  await rm(checkpointPath, { force: true });
  return LogFile.create(logPath, header);
}

async function restore(
  checkpointPath: string,
  logPath: string,
  begun: LogHeader,
  wanted: LogHeader,
  job: Job,
): Promise<{ checkpoint: Checkpoint; log: LogFile } | null> {
  if (begun.software !== wanted.software) return null;
  const checkpoint = await readCheckpoint(checkpointPath);
  if (checkpoint?.jobHeaderHash !== job.headerHash) return null;
  if (checkpoint.logBytes !== LOG_HEADER_BYTES + checkpoint.step * LOG_ENTRY_BYTES) return null;
  const log = await LogFile.resume(logPath, checkpoint.logBytes);
  return log === null ? null : { checkpoint, log };
}

async function initialState(
  store: ContentStore,
  job: Job,
  runner: StepRunner,
  patience: Patience,
): Promise<Uint8Array> {
  const { initialStateReference } = job.header;
  const file = await readInput('The initial state', () => store.open(initialStateReference), patience);
  if (file.length !== runner.layout.bytes)
    throw new InvalidJobError(
      `The initial state ${initialStateReference} has ${String(file.length)} bytes, the Program's layout ${String(runner.layout.bytes)}: publish the state that belongs to the Program.`,
    );
  return readInput('The initial state', () => file.read(0, file.length), patience);
}

class TrainingRun {
  readonly #options: TrainOptions;
  readonly #job: Job;
  readonly #runner: StepRunner;
  readonly #log: LogFile;
  readonly #checkpointPath: string;
  readonly #patience: Patience;
  readonly #report: (event: ProgressEvent) => void;
  #testReader: RowReader | null = null;

  constructor(
    options: TrainOptions,
    job: Job,
    runner: StepRunner,
    log: LogFile,
    checkpointPath: string,
    patience: Patience,
  ) {
    this.#options = options;
    this.#job = job;
    this.#runner = runner;
    this.#log = log;
    this.#checkpointPath = checkpointPath;
    this.#patience = patience;
    this.#report = options.onProgress ?? ((): void => undefined);
  }

  async train(firstStep: number, backend: BackendName): Promise<TrainResult> {
    const { header, spec } = this.#job;
    const { signal, now = () => performance.now() } = this.#options;
    this.#report({ type: 'start', step: firstStep, steps: header.steps, backend, resumed: firstStep > 0 });
    const batches = new BatchStream(header, await this.#reader('training'));
    let lastCheckpoint = firstStep;
    for (let step = firstStep; step < header.steps; step++) {
      const startedMs = now();
      if (signal?.aborted === true) await this.#stop(step, lastCheckpoint);
      const rows = await readInput('A batch of the training view', () => batches.batch(step));
      const result = this.#step(step, rows);
      const done = step + 1;
      let segmentState: Uint8Array | null = null;
      let stateRoot: Reference | null = null;
      if (endsSegment(header, step)) {
        segmentState = this.#finiteState(step);
        stateRoot = await this.#upload(segmentState, step);
        this.#report({ type: 'segment', segment: Math.ceil(done / header.commitEvery) - 1, step, stateRoot });
      }
      await this.#log.append({ ...result, stateRoot });
      this.#report({ type: 'batch', step, steps: header.steps, ...result, wallMs: now() - startedMs });
      if (segmentState !== null || done % spec.checkpointEvery === 0) {
        await this.#checkpoint(done, segmentState ?? this.#runner.readState());
        lastCheckpoint = done;
      }
      if (spec.evaluateEvery !== undefined && done % spec.evaluateEvery === 0 && done < header.steps)
        await this.#evaluate(done);
    }
    return this.#finish(backend);
  }

  #step(step: number, rows: Uint8Array): BatchResult {
    const computed = this.#runner.train(step, rows, this.#job.header.batchSize);
    const changed = this.#options.onStep?.({
      step,
      ...computed,
      readState: () => this.#runner.readState(),
      writeState: (state) => {
        this.#runner.writeState(state);
      },
    });
    const result = { ...computed, ...changed };
    if (!Number.isFinite(result.loss)) throw new TrainingDivergedError(step, 'the loss', result.loss);
    if (!Number.isFinite(result.metric)) throw new TrainingDivergedError(step, 'the metric', result.metric);
    return { loss: result.loss, metric: result.metric };
  }

  /** A state that validators could not start from must not be committed to. */
  #finiteState(step: number): Uint8Array {
    const state = this.#runner.readState();
    for (const value of new Float32Array(state.buffer, state.byteOffset, state.byteLength / 4))
      if (!Number.isFinite(value)) throw new TrainingDivergedError(step, 'a value of the state', value);
    return state;
  }

  /** The log must be durable before a checkpoint that counts on it. */
  async #checkpoint(step: number, state: Uint8Array): Promise<void> {
    await this.#log.sync();
    await writeCheckpoint(this.#checkpointPath, {
      jobHeaderHash: this.#job.headerHash,
      step,
      logBytes: this.#log.bytes,
      state,
    });
  }

  async #stop(step: number, lastCheckpoint: number): Promise<never> {
    if (step > lastCheckpoint) await this.#checkpoint(step, this.#runner.readState());
    throw new TrainingInterruptedError(step);
  }

  async #upload(data: Uint8Array | AsyncGenerator<Uint8Array>, step: number): Promise<Reference> {
    const again = (): Promise<Reference> =>
      this.#options.store.upload(data instanceof Uint8Array ? data : this.#log.read());
    try {
      return await withPatience(again, this.#patience);
    } catch (error) {
      if (this.#options.signal?.aborted === true) throw new TrainingInterruptedError(step);
      throw error;
    }
  }

  async #reader(which: 'training' | 'test'): Promise<RowReader> {
    const { header, testSplit } = this.#job;
    const split =
      which === 'test' && testSplit !== null
        ? testSplit
        : { viewReference: header.trainingViewReference, rows: Number(header.rows), rowBytes: header.rowBytes };
    const file = await openView(this.#options.store, split, which, this.#patience);
    const { cacheBytes } = this.#options;
    return new RowReader(file, split.rowBytes, {
      patience: this.#patience,
      ...(cacheBytes === undefined ? {} : { cacheBytes }),
    });
  }

  async #evaluate(step: number): Promise<BatchResult | null> {
    const { testSplit } = this.#job;
    if (testSplit === null) return null;
    this.#testReader ??= await this.#reader('test');
    const reader = this.#testReader;
    const { signal } = this.#options;
    try {
      const result = await readInput('The test view', () => evaluateSplit(this.#runner, reader, testSplit, signal));
      this.#report({ type: 'evaluation', step, accuracy: result.metric, loss: result.loss });
      return result;
    } catch (error) {
      if (signal?.aborted === true) throw new TrainingInterruptedError(step);
      throw error;
    }
  }

  async #finish(backend: BackendName): Promise<TrainResult> {
    const { header, program } = this.#job;
    await this.#log.sync();
    const evaluation = await this.#evaluate(header.steps);
    const modelReference = await this.#upload(this.#runner.readState(), header.steps);
    const logReference = await this.#upload(this.#log.read(), header.steps);
    const result: TrainResult = {
      logReference,
      modelReference,
      steps: header.steps,
      backend,
      testAccuracy: program.metrics.includes('accuracy') ? (evaluation?.metric ?? null) : null,
      testLoss: evaluation?.loss ?? null,
    };
    this.#report({ type: 'result', ...result });
    return result;
  }
}
