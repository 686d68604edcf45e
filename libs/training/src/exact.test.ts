import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ExactBackend, nativeIsAvailable, tfjsNodeIsInstalled, type WasmKernels } from '@cotrain/exact';
import { type JobHeader, LOG_ENTRY_BYTES, LOG_HEADER_BYTES, logEntryOffset, type Reference } from '@cotrain/protocol';
import fc from 'fast-check';
import { checkJob } from './check.ts';
import { buildInitialState } from './initial-state.ts';
import type { ProgressEvent } from './progress.ts';
import { probeProgram } from './probe.ts';
import { alteredRunner } from './testing/altered-runner.ts';
import { MemoryStore } from './testing/memory-store.ts';
import { type JobToPublish, publishJob } from './testing/publish-job.ts';
import { dense, sequential, xorColumns, xorJob, xorRows } from './testing/small-jobs.ts';
import { pictures, shortJob, smallTransformer } from './testing/small-programs.ts';
import { removeTemporaryDirectories, temporaryDirectory } from './testing/workdir.ts';
import { tf } from './tf.ts';
import { trainJob, type TrainOptions, type TrainResult } from './train-job.ts';
import { type CommitmentVerdict, validateCommitment, type ValidateOptions } from './validate.ts';

afterAll(removeTemporaryDirectories);

interface Trained {
  store: MemoryStore;
  header: JobHeader;
  result: TrainResult;
  events: ProgressEvent[];
}

async function publish(job: JobToPublish): Promise<{ store: MemoryStore; header: JobHeader }> {
  const store = new MemoryStore();
  return { store, header: await publishJob(store, { ...job, runtime: 'exact/1' }) };
}

async function train(job: JobToPublish, more: Partial<TrainOptions> = {}): Promise<Trained> {
  const { store, header } = await publish(job);
  const events: ProgressEvent[] = [];
  const result = await trainJob({
    store,
    header,
    workdir: temporaryDirectory(),
    onProgress: (event) => events.push(event),
    ...more,
  });
  return { store, header, result, events };
}

function validate(
  { store, header, result }: Omit<Trained, 'events'>,
  more: Partial<ValidateOptions> = {},
): Promise<CommitmentVerdict> {
  const { logReference, modelReference } = result;
  return validateCommitment({ store, header, logReference, modelReference, segments: [0, 1, 2], ...more });
}

const adam = { kind: 'adam', learningRate: 0.01 } as const;
/** Fastest first; native code is there where it could be built. */
const implementations = [...(nativeIsAvailable() ? (['native'] as const) : []), 'wasm', 'reference'] as const;
if (!nativeIsAvailable()) it.skip('exact/1 on native code: it was not built here', () => undefined);

const jobs: [string, JobToPublish][] = [
  ['an MLP with sgd', shortJob({ program: { ...xorJob().program, optimizer: { kind: 'sgd', learningRate: 0.1 } } })],
  [
    'an MLP with momentum',
    shortJob({ program: { ...xorJob().program, optimizer: { kind: 'momentum', learningRate: 0.05, momentum: 0.9 } } }),
  ],
  ['an MLP with adam', shortJob()],
  ['a transformer with adamw', shortJob(smallTransformer({ kind: 'adamw', learningRate: 0.01, weightDecay: 0.1 }))],
  ['a transformer with adam', shortJob(smallTransformer(adam))],
  [
    'a convolutional net with batch normalization',
    shortJob({
      program: pictures([
        {
          class_name: 'Conv2D',
          config: { name: 'conv', filters: 3, kernel_size: [1, 2], padding: 'same', activation: 'relu' },
        },
        { class_name: 'BatchNormalization', config: { name: 'norm' } },
        { class_name: 'MaxPooling2D', config: { name: 'pool', pool_size: [1, 2], strides: [1, 1], padding: 'same' } },
      ]),
    }),
  ],
];

describe.each(jobs)('on exact/1 %s', (_, job) => {
  it(`gives the same log and model on ${implementations.join(', ')}, and is found valid by another one`, async () => {
    const results: TrainResult[] = [];
    for (const [index, implementation] of implementations.entries()) {
      const trained = await train(job, { implementation });
      expect(trained.events[0]).toMatchObject({ type: 'start', backend: 'exact', computer: implementation });
      expect(trained.events.filter(({ type }) => type === 'void-segment')).toEqual([]);
      results.push(trained.result);
      const verdict = await validate(trained, {
        segments: [1],
        implementation: implementations[(index + 1) % implementations.length] ?? 'wasm',
      });
      expect(verdict).toMatchObject({ vote: 'Valid', comparison: 'equality' });
      expect(verdict.segments).toEqual([
        { segment: 1, comparison: 'equality', maxAbsoluteError: 0, maxRelativeError: 0, drift: 0, ok: true },
      ]);
    }
    expect(new Set(results.map((result) => JSON.stringify(result))).size).toBe(1);
  });

  it('gives the same bytes when it is stopped and goes on with another implementation', async () => {
    const whole = await train(job);
    const { store, header } = await publish(job);
    const workdir = temporaryDirectory();
    for (const [index, implementation] of implementations.entries()) {
      const abort = new AbortController();
      const part = trainJob({
        store,
        header,
        workdir,
        implementation,
        signal: abort.signal,
        createRunner: alteredRunner(({ step }) => {
          if (step === 4 + 6 * index) abort.abort();
          return undefined;
        }),
      });
      await expect(part).rejects.toMatchObject({ name: 'TrainingInterruptedError', step: 5 + 6 * index });
    }
    expect(await trainJob({ store, header, workdir })).toEqual(whole.result);
  });
});

const withTensorflow = tfjsNodeIsInstalled() ? it : it.skip;

withTensorflow.each(jobs)(
  `gives the same bytes on TensorFlow for %s${tfjsNodeIsInstalled() ? '' : ' (skipped: tfjs-node is not installed; `npm run tfjs-node` builds it)'}`,
  async (_, job) => {
    const composed = await train(job, { implementation: 'tensorflow' });
    expect(composed.events[0]).toMatchObject({ type: 'start', backend: 'exact', computer: 'tensorflow' });
    expect(await validate(composed, { segments: [1], implementation: 'wasm' })).toMatchObject({ vote: 'Valid' });
    expect(composed.result).toEqual((await train(job, { implementation: 'wasm' })).result);
  },
  60_000,
);

describe('validation on exact/1', () => {
  let trained: Trained;
  let stateRoots: Reference[];
  const anyTolerance = { absolute: 1, relative: 1, drift: 1 };

  beforeAll(async () => {
    trained = await train(shortJob());
    const log = trained.store.files.get(trained.result.logReference) ?? new Uint8Array();
    stateRoots = [7, 15, 23].map((step) => {
      const end = logEntryOffset(step + 1);
      return `0x${Buffer.from(log.subarray(end - 32, end)).toString('hex')}` as const;
    });
  });

  /** The commitment with a bit of the state at a segment's end turned round, everything else as it was. */
  async function withFlippedState(segment: number, bit: number): Promise<Omit<Trained, 'events'>> {
    const { store, header, result } = trained;
    const flip = (bytes: Uint8Array): void => {
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    };
    const forged = await store.replace(flip, stateRoots[segment] ?? '0x');
    const logReference = await store.replace((bytes) => {
      const end = logEntryOffset(8 * (segment + 1));
      bytes.set(Buffer.from(forged.slice(2), 'hex'), end - 32);
    }, result.logReference);
    const modelReference = segment === 2 ? forged : result.modelReference;
    return { store, header, result: { ...result, logReference, modelReference } };
  }

  it('convicts the last bit of one weight, which any tolerance would let pass, and says which', async () => {
    const forged = await withFlippedState(1, 8 * 4 * 3);
    const verdict = await validate(forged, { segments: [1], tolerance: anyTolerance });
    expect(verdict).toMatchObject({
      vote: 'Invalid',
      comparison: 'equality',
      reason: expect.stringMatching(
        /^segment 1: w0\/hidden\/kernel\[3\] is \S+ \(bits [0-9a-f]{8}\), the committed state says \S+ \(bits/,
      ) as unknown,
    });
    expect(verdict.segments[0]?.maxRelativeError).toBeLessThan(2 ** -22);
    expect(await validate(forged, { segments: [0] })).toMatchObject({ vote: 'Valid' });
  });

  it('convicts any one bit of any state or log entry', async () => {
    const stateBits = 8 * (trained.store.files.get(stateRoots[0] ?? '0x')?.length ?? 0);
    await fc.assert(
      fc.asyncProperty(fc.nat(2), fc.nat(stateBits - 1), async (segment, bit) => {
        expect((await validate(await withFlippedState(segment, bit), { segments: [segment] })).vote).toBe('Invalid');
      }),
      { numRuns: 20 },
    );
    await fc.assert(
      fc.asyncProperty(fc.nat(23), fc.nat(63), async (step, bit) => {
        const { store, result } = trained;
        const logReference = await store.replace((bytes) => {
          const at = LOG_HEADER_BYTES + LOG_ENTRY_BYTES * step + (bit >> 3);
          bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
        }, result.logReference);
        const segments = [Math.floor(step / 8)];
        expect((await validate({ ...trained, result: { ...result, logReference } }, { segments })).vote).toBe(
          'Invalid',
        );
      }),
      { numRuns: 20 },
    );
  });

  it('convicts a committed state that holds what is no value, whichever segment is drawn after it', async () => {
    const { store, header, result } = trained;
    const forged = await store.replace((bytes) => {
      new DataView(bytes.buffer).setFloat32(0, 1e-35, true);
    }, stateRoots[0] ?? '0x');
    const logReference = await store.replace((bytes) => {
      bytes.set(Buffer.from(forged.slice(2), 'hex'), logEntryOffset(8) - 32);
    }, result.logReference);
    expect(await validate({ store, header, result: { ...result, logReference } }, { segments: [1] })).toMatchObject({
      vote: 'Invalid',
      reason: expect.stringMatching(/before segment 1: w0\/hidden\/kernel\[0\] is .*e-3[56].*2\^-100/) as unknown,
    });
  });

  it('does not take a log of tfjs/1 for one', async () => {
    const { store, header, result } = trained;
    const logReference = await store.replace((bytes) => {
      const text = Buffer.from(bytes.subarray(0, LOG_HEADER_BYTES)).toString().replaceAll('\0', '');
      bytes.fill(0, 0, LOG_HEADER_BYTES);
      bytes.set(Buffer.from(text.replace('"exact"', '"wasm"').replace('exact/1', 'tfjs/1')));
    }, result.logReference);
    expect(await validate({ store, header, result: { ...result, logReference } })).toMatchObject({
      vote: 'Invalid',
      reason: expect.stringContaining('wasm') as unknown,
    });
  });
});

describe('a job for exact/1', () => {
  const bilinear = pictures([
    { class_name: 'UpSampling2D', config: { name: 'larger', size: [2, 2], interpolation: 'bilinear' } },
  ]);

  it('whose Program needs a kernel that the profile lacks is refused by name before anybody stakes', async () => {
    const { store, header } = await publish(shortJob({ program: bilinear }));
    expect(await checkJob({ store, header })).toEqual({
      ok: false,
      reason: expect.stringMatching(/exact backend has no kernel ResizeBilinear, which this Program needs/) as unknown,
    });
    await expect(trainJob({ store, header, workdir: temporaryDirectory() })).rejects.toMatchObject({
      name: 'KernelMissingError',
      kernel: 'ResizeBilinear',
      retryable: false,
    });
  });

  it('is probed before there is a job, with the columns of a dataset alone', async () => {
    const probe = {
      runtime: 'exact/1' as const,
      backends: ['exact' as const],
      resources: { gpuMemoryMiB: 0, gpuCount: 0, cpuMilli: 1_000, memoryMiB: 512, estimatedGpuSeconds: 60 },
      columns: xorColumns,
    };
    const before = tf.memory().numTensors;
    await probeProgram({ ...probe, program: xorJob().program });
    await expect(probeProgram({ ...probe, program: bilinear })).rejects.toMatchObject({
      name: 'KernelMissingError',
      kernel: 'ResizeBilinear',
    });
    expect(tf.memory().numTensors).toBe(before);
  });

  it('begins with values of the profile; another initial state is refused, and the element named', async () => {
    const bias = { bias_initializer: { class_name: 'Constant', config: { value: 1e-35 } } };
    const tiny = sequential([dense('only', 2, 'softmax', { batch_input_shape: [null, 2], dtype: 'float32', ...bias })]);
    const initialBias = async (runtime: 'tfjs/1' | 'exact/1'): Promise<number> =>
      new Float32Array((await buildInitialState(tiny, 7n, runtime)).buffer)[4] ?? Number.NaN;
    expect([await initialBias('tfjs/1'), await initialBias('exact/1')]).toEqual([Math.fround(1e-35), 0]);

    const { store, header } = await publish(shortJob());
    for (const [value, written] of [
      [Number.NaN, 'NaN'],
      [-0, '-0'],
      [1e-38, '9.99'],
      [2 ** 101, '2.53'],
    ] as const) {
      const initialStateReference = await store.replace((bytes) => {
        new DataView(bytes.buffer).setFloat32(4 * 34, value, true);
      }, header.initialStateReference);
      const bad = await publishJob(store, shortJob({ initialStateReference, runtime: 'exact/1' }));
      const reason = new RegExp(`initial state.*w1/hidden/bias\\[2\\] is ${written}.*publish a state`);
      expect(await checkJob({ store, header: bad })).toEqual({
        ok: false,
        reason: expect.stringMatching(reason) as unknown,
      });
      await expect(trainJob({ store, header: bad, workdir: temporaryDirectory() })).rejects.toMatchObject({
        name: 'InvalidJobError',
        message: expect.stringMatching(reason) as unknown,
      });
    }
  });

  it('that diverges goes on to its end with the bits that the profile defines', async () => {
    const program = sequential([dense('line', 1, 'linear', { batch_input_shape: [null, 2], dtype: 'float32' })], {
      optimizer: { kind: 'sgd', learningRate: 1_000 },
      loss: 'meanSquaredError',
      metrics: [],
    });
    const trained = await train(shortJob({ program }));
    expect(trained.events.filter(({ type }) => type === 'void-segment')).toEqual([]);
    const state = new Float32Array(
      trained.store.files.get(trained.result.modelReference)?.slice().buffer ?? new ArrayBuffer(0),
    );
    expect(Math.max(...state.map(Math.abs))).toBeGreaterThan(1e20);
    expect(await validate(trained, { implementation: 'wasm' })).toMatchObject({ vote: 'Valid' });
  });

  it('has void segments where rows name a class that there is not', async () => {
    const rows = xorRows(200);
    rows[9 * 100 + 8] = 7;
    const trained = await train(shortJob({ train: rows }));
    expect(trained.events.filter(({ type }) => type === 'void-segment').length).toBeGreaterThan(0);
    expect(await validate(trained)).toMatchObject({ vote: 'Valid' });
  });

  it('takes no backend of tfjs/1, nor a job for tfjs/1 an implementation', async () => {
    const { store, header } = await publish(shortJob());
    const workdir = temporaryDirectory();
    await expect(trainJob({ store, header, workdir, backend: 'cpu' })).rejects.toThrow(/backend is cpu.*exact\/1/);
    const other = await publishJob(store, shortJob());
    await expect(trainJob({ store, header: other, workdir, implementation: 'wasm' })).rejects.toThrow(
      /implementation is wasm.*tfjs\/1/,
    );
    await expect(trainJob({ store, header: other, workdir, backend: 'exact' })).rejects.toThrow(/backend is exact/);
  });

  it('continues from a log on Swarm with another implementation', async () => {
    const job = shortJob();
    const whole = await train(job);
    let published: Reference | undefined;
    const abort = new AbortController();
    const { store, header } = await publish(job);
    const first = trainJob({
      store,
      header,
      workdir: temporaryDirectory(),
      implementation: 'wasm',
      signal: abort.signal,
      publishLogEveryMs: 0,
      onProgress: (event) => {
        if (event.type === 'checkpoint') published = event.logReference;
        if (event.type === 'batch' && event.step === 18) abort.abort();
      },
    });
    await expect(first).rejects.toMatchObject({ name: 'TrainingInterruptedError' });
    const starts: ProgressEvent[] = [];
    const result = await trainJob({
      store,
      header,
      workdir: temporaryDirectory(),
      implementation: 'reference',
      onProgress: (event) => starts.push(event),
      ...(published === undefined ? {} : { resumeFrom: published }),
    });
    expect(starts[0]).toMatchObject({ type: 'start', from: 'swarm', computer: 'reference' });
    expect(result).toEqual(whole.result);
  });

  it.each(implementations.filter((name) => name !== 'reference'))(
    'takes no more memory on %s after hundreds of steps than after some',
    async (implementation) => {
      const seen: { tensors: number; usedBytes: number; reservedBytes: number }[] = [];
      await train(shortJob({ ...smallTransformer(adam), steps: 400, commitEvery: 50, checkpointEvery: 50 }), {
        implementation,
        createRunner: alteredRunner(({ step }) => {
          const { memoryUsage } = (tf.backend() as ExactBackend).kernels as WasmKernels;
          if (step % 100 === 99) seen.push({ tensors: tf.memory().numTensors, ...memoryUsage() });
          return undefined;
        }),
      });
      expect(seen).toHaveLength(4);
      expect(new Set(seen.map((each) => JSON.stringify(each))).size).toBe(1);
    },
  );
});
