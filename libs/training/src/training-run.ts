import { endsSegment, type JobBackendName, segmentRange, VOID_LOSS } from '@cotrain/protocol';
import { TrainingInterruptedError } from './errors.ts';
import { evaluateSplit } from './evaluation.ts';
import { type Job, openView, readInput } from './job.ts';
import type { LogFile } from './log-file.ts';
import type { ProgressEvent } from './progress.ts';
import type { Restored } from './restore.ts';
import { BatchStream, RowReader } from './row-reader.ts';
import { SegmentPublisher } from './segment-publisher.ts';
import type { BatchResult, Runner } from './step-runner.ts';
import type { Selection } from './select-runtime.ts';
import { type Patience, withPatience } from './store.ts';
import type { TrainOptions, TrainResult } from './train-job.ts';
import { requireFiniteState, UndefinedStepError } from './undefined-step.ts';

/** Intermediate evaluations may read this many rows for each row that is trained on. */
const evaluationRowsPerTrainedRow = 1;

/** One run over a job's steps, from where it is to the uploaded log and model. */
export class TrainingRun {
  readonly #options: TrainOptions;
  readonly #job: Job;
  readonly #runner: Runner;
  readonly #log: LogFile;
  readonly #patience: Patience;
  readonly #report: (event: ProgressEvent) => void;
  readonly #now: () => number;
  readonly #publisher: SegmentPublisher;
  #testReader: RowReader | undefined;
  #evaluatedRows = 0;

  constructor(options: TrainOptions, job: Job, runner: Runner, log: LogFile, patience: Patience) {
    this.#options = options;
    this.#job = job;
    this.#runner = runner;
    this.#log = log;
    this.#patience = patience;
    this.#report = options.onProgress ?? (() => undefined);
    this.#now = options.now ?? (() => performance.now());
    this.#publisher = new SegmentPublisher({
      store: options.store,
      workdir: options.workdir,
      jobHeaderHash: job.headerHash,
      log,
      patience,
      now: this.#now,
      onLogPublished: (step, logReference) => {
        this.#report({ type: 'checkpoint', step, logReference });
      },
      ...(options.publishLogEveryMs === undefined ? {} : { logEveryMs: options.publishLogEveryMs }),
    });
  }

  async train({ backend, computer }: Selection, restored: Restored | null): Promise<TrainResult> {
    const { header, spec } = this.#job;
    const { signal } = this.#options;
    const firstStep = restored?.step ?? 0;
    this.#report({
      type: 'start',
      step: firstStep,
      steps: header.steps,
      backend,
      computer,
      resumed: firstStep > 0,
      from: restored?.from ?? 'start',
    });
    if (restored !== null && firstStep > 0 && endsSegment(header, firstStep - 1))
      this.#publisher.republish(restored.state);
    const batches = new BatchStream(header, await this.#reader('training'));
    let lastCheckpoint = firstStep;
    for (let step = firstStep; step < header.steps; step++) {
      const startedMs = this.#now();
      if (signal?.aborted === true) await this.#stop(step, lastCheckpoint);
      const rows = await this.#batch(batches, step, lastCheckpoint);
      const result = this.#attempt(step, () => this.#runner.train(step, rows, this.#job.header.batchSize));
      if (result instanceof UndefinedStepError) {
        await this.#voidSegment(step, result, startedMs);
        step = segmentRange(header, Math.floor(step / header.commitEvery)).endStep - 1;
      } else if (endsSegment(header, step)) {
        const state = this.#attempt(step, () => requireFiniteState(this.#runner.readState()));
        if (state instanceof UndefinedStepError) await this.#voidSegment(step, state, startedMs);
        else await this.#endSegment(step, state, result, startedMs);
      } else {
        await this.#log.append({ ...result, stateRoot: null });
        this.#reportBatch(step, result, startedMs);
      }
      const done = step + 1;
      if (endsSegment(header, step)) lastCheckpoint = done;
      else if (done % spec.checkpointEvery === 0 && !this.#publisher.busy) {
        await this.#orInterrupted(done, () => this.#publisher.checkpoint(done, this.#runner.readState()));
        lastCheckpoint = done;
      }
      if (spec.evaluateEvery !== undefined && done % spec.evaluateEvery === 0 && done < header.steps)
        await this.#evaluateWithinBudget(done);
    }
    return this.#finish(backend);
  }

  /** Rows of a step; asked to stop while the store is away, it stops as at any other time. */
  async #batch(batches: BatchStream, step: number, lastCheckpoint: number): Promise<Uint8Array> {
    try {
      return await readInput('A batch of the training view', () => batches.batch(step));
    } catch (error) {
      if (this.#options.signal?.aborted === true) return this.#stop(step, lastCheckpoint);
      throw error;
    }
  }

  #attempt<T>(step: number, action: () => T): T | UndefinedStepError {
    try {
      return action();
    } catch (error) {
      if (error instanceof UndefinedStepError) return error;
      throw error;
    }
  }

  async #endSegment(step: number, state: Uint8Array, result: BatchResult, startedMs: number): Promise<void> {
    const segment = Math.floor(step / this.#job.header.commitEvery);
    const stateRoot = await this.#orInterrupted(step, () =>
      this.#publisher.segmentEnded(step + 1, state, (root) => this.#log.append({ ...result, stateRoot: root })),
    );
    this.#report({ type: 'segment', segment, step, stateRoot });
    this.#reportBatch(step, result, startedMs);
  }

  /** The segment keeps the state that it began with, and its remaining entries say that they have no result. */
  async #voidSegment(step: number, { message }: UndefinedStepError, startedMs: number): Promise<void> {
    const { header } = this.#job;
    const segment = Math.floor(step / header.commitEvery);
    const { firstStep, endStep } = segmentRange(header, segment);
    this.#report({ type: 'void-segment', segment, step, reason: message });
    const state = await this.#stateAt(firstStep);
    this.#runner.writeState(state);
    const result = { loss: VOID_LOSS, metric: 0 };
    for (let voided = step; voided < endStep - 1; voided++) {
      await this.#log.append({ ...result, stateRoot: null });
      this.#reportBatch(voided, result, startedMs);
    }
    await this.#endSegment(endStep - 1, state, result, startedMs);
  }

  /** The published state before a segment's first step. */
  async #stateAt(firstStep: number): Promise<Uint8Array> {
    const { store } = this.#options;
    return this.#orInterrupted(firstStep, async () => {
      await this.#publisher.settled();
      const root = firstStep === 0 ? this.#job.header.initialStateReference : await this.#log.stateRoot(firstStep - 1);
      if (root === null) throw new Error(`the log has no state root at step ${String(firstStep - 1)}`);
      return readInput(
        'The state before a segment',
        async () => {
          const file = await store.open(root);
          return file.read(0, file.length);
        },
        this.#patience,
      );
    });
  }

  #reportBatch(step: number, result: BatchResult, startedMs: number): void {
    const { steps } = this.#job.header;
    this.#report({ type: 'batch', step, steps, ...result, wallMs: this.#now() - startedMs });
  }

  async #stop(step: number, lastCheckpoint: number): Promise<never> {
    try {
      if (step > lastCheckpoint) await this.#publisher.checkpoint(step, this.#runner.readState());
      else await this.#publisher.settled();
    } catch (cause) {
      // The store is away: the checkpoint at the last segment's end, which is on disk, has to do.
      throw new TrainingInterruptedError(step, { cause });
    }
    throw new TrainingInterruptedError(step);
  }

  /** An error of an action that was cut short by a request to stop is that request. */
  async #orInterrupted<T>(step: number, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (cause) {
      if (this.#options.signal?.aborted === true) throw new TrainingInterruptedError(step, { cause });
      throw cause;
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

  /** A requester who asks for more evaluation than training would have work done that nobody reckoned with. */
  async #evaluateWithinBudget(done: number): Promise<void> {
    const rows = this.#job.testSplit?.rows ?? 0;
    const budget = done * this.#job.header.batchSize * evaluationRowsPerTrainedRow;
    if (this.#evaluatedRows + rows > budget) return;
    this.#evaluatedRows += rows;
    await this.#evaluate(done);
  }

  /** Evaluation informs and commits to nothing: a test split that cannot be had or used must not cost the trainer his work. */
  async #evaluate(step: number): Promise<BatchResult | null> {
    const { testSplit, program } = this.#job;
    if (testSplit === null) return null;
    const { signal } = this.#options;
    try {
      this.#testReader ??= await this.#reader('test');
      const reader = this.#testReader;
      const result = await readInput('The test view', () => evaluateSplit(this.#runner, reader, testSplit, signal));
      const accuracy = program.metrics.includes('accuracy') ? result.metric : null;
      this.#report({ type: 'evaluation', step, accuracy, loss: result.loss });
      return result;
    } catch (cause) {
      if (signal?.aborted === true) throw new TrainingInterruptedError(step, { cause });
      this.#report({
        type: 'evaluation-failed',
        step,
        reason: cause instanceof Error ? cause.message.slice(0, 500) : String(cause),
      });
      return null;
    }
  }

  async #finish(backend: JobBackendName): Promise<TrainResult> {
    const { header, program } = this.#job;
    await this.#orInterrupted(header.steps, () => this.#publisher.settled());
    const modelReference = await this.#log.stateRoot(header.steps - 1);
    if (modelReference === null) throw new Error('the log ends without a state root');
    const evaluation = await this.#evaluate(header.steps);
    const logReference = await this.#orInterrupted(header.steps, () =>
      withPatience(() => this.#options.store.upload(this.#log.read()), this.#patience),
    );
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
