import { afterAll, describe, expect, it } from '@jest/globals';
import {
  decodeLogEntry,
  type JobHeader,
  LOG_ENTRY_BYTES,
  type LogEntry,
  logEntryOffset,
  VOID_LOSS,
} from '@cotrain/protocol';
import { alteredRunner } from './testing/altered-runner.ts';
import { MemoryStore } from './testing/memory-store.ts';
import { type JobToPublish, publishJob } from './testing/publish-job.ts';
import { dense, gptJob, sequential, xorColumns, xorJob, xorRows } from './testing/small-jobs.ts';
import { removeTemporaryDirectories, temporaryDirectory } from './testing/workdir.ts';
import { TrainingInterruptedError } from './errors.ts';
import type { ProgressEvent } from './progress.ts';
import { tf } from './tf.ts';
import { trainJob, type TrainOptions, type TrainResult } from './train-job.ts';
import { UndefinedStepError } from './undefined-step.ts';
import { type CommitmentVerdict, validateCommitment } from './validate.ts';

afterAll(removeTemporaryDirectories);

interface Trained {
  store: MemoryStore;
  header: JobHeader;
  result: TrainResult;
  entries: LogEntry[];
  events: ProgressEvent[];
}

async function train(job: JobToPublish, more: Partial<TrainOptions> = {}, store = new MemoryStore()): Promise<Trained> {
  const header = await publishJob(store, job);
  return trainHeader(store, header, more);
}

async function trainHeader(store: MemoryStore, header: JobHeader, more: Partial<TrainOptions> = {}): Promise<Trained> {
  const events: ProgressEvent[] = [];
  const result = await trainJob({
    store,
    header,
    workdir: temporaryDirectory(),
    onProgress: (event) => events.push(event),
    ...more,
  });
  const log = store.files.get(result.logReference) as Uint8Array;
  const entries = Array.from({ length: header.steps }, (_, step) =>
    decodeLogEntry(log.subarray(logEntryOffset(step), logEntryOffset(step) + LOG_ENTRY_BYTES)),
  );
  return { store, header, result, entries, events };
}

function validate({ store, header, result }: Trained): Promise<CommitmentVerdict> {
  const { logReference, modelReference } = result;
  return validateCommitment({ store, header, logReference, modelReference, segments: [0, 1, 2] });
}

/** Linear regression with a learning rate at which the weights overflow within a few steps. */
const exploding = (): JobToPublish =>
  xorJob({
    program: sequential([dense('out', 1, 'linear', { batch_input_shape: [null, 2], dtype: 'float32' })], {
      optimizer: { kind: 'sgd', learningRate: 1_000 },
      loss: 'meanSquaredError',
      metrics: [],
    }),
  });

describe('a step without a finite result', () => {
  it('voids its segment: the log says so, the state is the one before, and validators agree', async () => {
    const trained = await train(exploding());
    const first = trained.entries.findIndex(({ loss }) => loss === VOID_LOSS);
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(16);
    expect(trained.entries.slice(first, 16).every(({ loss, metric }) => loss === VOID_LOSS && metric === 0)).toBe(true);
    expect(trained.entries[15]?.stateRoot).toBe(trained.header.initialStateReference);
    expect(trained.result.modelReference).toBe(trained.header.initialStateReference);
    expect(trained.events.filter(({ type }) => type === 'void-segment')).toHaveLength(3);
    expect(trained.events.filter(({ type }) => type === 'batch')).toHaveLength(40);
    expect(await validate(trained)).toMatchObject({ vote: 'Valid' });
  });

  it.each([3, 12, 15, 25])('gives the same bytes when the run is interrupted at step %i', async (stopAt) => {
    const whole = await train(exploding());
    const { store, header } = whole;
    const workdir = temporaryDirectory();
    const abort = new AbortController();
    const stopped = trainJob({
      store,
      header,
      workdir,
      signal: abort.signal,
      onProgress: (event) => {
        if (event.type === 'batch' && event.step === stopAt) abort.abort();
      },
    });
    await expect(stopped).rejects.toThrow(TrainingInterruptedError);
    expect((await trainHeader(store, header, { workdir })).result).toEqual(whole.result);
  });

  const job = xorJob();
  const badRow = (change: (view: DataView, row: number) => void): Uint8Array => {
    const rows = xorRows(200);
    change(new DataView(rows.buffer), 123 * 9);
    return rows;
  };
  it.each<[string, JobToPublish, number]>([
    [
      'a class that the model does not have',
      {
        ...job,
        train: badRow((view, at) => {
          view.setUint8(at + 8, 9);
        }),
      },
      3,
    ],
    [
      'a row that is not a number',
      {
        ...job,
        train: badRow((view, at) => {
          view.setFloat32(at, Number.NaN, true);
        }),
      },
      3,
    ],
    [
      'a row that is infinite',
      {
        ...job,
        train: badRow((view, at) => {
          view.setFloat32(at, Infinity, true);
        }),
      },
      3,
    ],
    [
      'classes that all lie outside the model',
      { ...job, columns: [xorColumns[0]!, { ...xorColumns[1]!, offset: 5 }] },
      3,
    ],
    [
      'a scale that overflows',
      { ...job, columns: [{ ...xorColumns[0]!, scale: 1e30, offset: 1e30 }, xorColumns[1]!] },
      3,
    ],
  ])('does not keep a trainer from finishing: %s', async (_, hostile, most) => {
    const trained = await train(hostile);
    const voided = trained.events.filter(({ type }) => type === 'void-segment').length;
    expect(voided).toBeLessThanOrEqual(most);
    expect(await validate(trained)).toMatchObject({ vote: 'Valid' });
  });

  it('is one whose token the table does not have, in place of reading beside it', async () => {
    const small = gptJob({ steps: 4, commitEvery: 2, batchSize: 2 });
    const train_ = small.train.map((token) => token + 100);
    const trained = await train({ ...small, train: train_ }, { backend: 'wasm' });
    expect(trained.events.find(({ type }) => type === 'void-segment')).toMatchObject({
      reason: expect.stringContaining('table') as unknown as string,
    });
    const { logReference, modelReference } = trained.result;
    const { store, header } = trained;
    expect(await validateCommitment({ store, header, logReference, modelReference, segments: [0, 1] })).toMatchObject({
      vote: 'Valid',
    });
  });

  it('cannot be the requester’s trap: an initial state of NaN trains nothing and is valid', async () => {
    const store = new MemoryStore();
    const header = await publishJob(store, xorJob());
    const initialStateReference = await store.replace((bytes) => bytes.fill(0xff, 0, 4), header.initialStateReference);
    const changed = await publishJob(store, xorJob({ initialStateReference }));
    const trained = await trainHeader(store, changed);
    expect(trained.result.modelReference).toBe(initialStateReference);
    expect(await validate(trained)).toMatchObject({ vote: 'Valid' });
  });

  it('leaves nothing in memory, however many there are', async () => {
    const rows = xorRows(200);
    for (let row = 0; row < 200; row++) rows[9 * row + 8] = 7;
    await train(xorJob({ train: rows })); // TensorFlow.js has its backend from now on
    const before = tf.memory().numTensors;
    const { events } = await train(xorJob({ train: rows }));
    expect(events.filter(({ type }) => type === 'void-segment')).toHaveLength(3);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('cannot be claimed where there is a result', async () => {
    const { store, header } = await train(xorJob());
    const lazy = await trainHeader(store, header, {
      createRunner: alteredRunner(({ step }) => {
        if (step === 20) throw new UndefinedStepError('so it is said');
        return undefined;
      }),
    });
    expect(lazy.entries[31]?.stateRoot).toBe(lazy.entries[15]?.stateRoot);
    expect(await validate(lazy)).toMatchObject({ vote: 'Invalid' });
  });

  it('cannot be hidden: a committed state that is not finite is invalid', async () => {
    const trained = await train(xorJob());
    const { store, header, result } = trained;
    const forged = await store.replace((bytes) => bytes.fill(0xff, 0, 4), trained.entries[15]?.stateRoot ?? '0x');
    const logReference = await store.replace((bytes) => {
      bytes.set(Buffer.from(forged.slice(2), 'hex'), logEntryOffset(15) + 32);
    }, result.logReference);
    for (const segment of [0, 1])
      expect(await validateCommitment({ store, header, ...result, logReference, segments: [segment] })).toMatchObject({
        vote: 'Invalid',
      });
  });
});

describe('evaluation', () => {
  it.each<[string, Partial<JobToPublish>]>([
    ['with a class that the model does not have', { test: new Uint8Array(9 * 60).fill(7) }],
    ['that is nowhere', { missingTest: true }],
  ])('of a test split %s costs the trainer nothing', async (_, change) => {
    const plain = await train(xorJob());
    const trained = await train(xorJob({ ...change, evaluateEvery: 16 }), {
      patience: { sleep: () => Promise.resolve() },
    });
    expect(trained.result.testAccuracy).toBeNull();
    expect(trained.result.modelReference).toBe(plain.result.modelReference);
    expect(trained.events.filter(({ type }) => type === 'evaluation-failed').length).toBeGreaterThan(0);
  });

  it('within training takes no more rows than training itself', async () => {
    const { events } = await train(xorJob({ test: xorRows(120), evaluateEvery: 1 }));
    // 40 steps of 16 rows: five evaluations of 120 rows, and the last one.
    expect(events.filter(({ type }) => type === 'evaluation')).toHaveLength(6);
  });
});
