import { afterAll, describe, expect, it } from '@jest/globals';
import {
  createReferenceKernels,
  createWasmKernels,
  ExactMemoryError,
  type ExactKernels,
  registerExactBackend,
} from '@cotrain/exact';
import { decodeJobSpec } from '@cotrain/protocol';
import { MemoryStore } from './testing/memory-store.ts';
import { publishJob } from './testing/publish-job.ts';
import { dense, sequential, xorJob } from './testing/small-jobs.ts';
import { checkJob } from './check.ts';
import { MachineFaultError } from './errors.ts';
import { selectFor } from './select-runtime.ts';
import { trainJob } from './train-job.ts';
import { tf } from './tf.ts';
import { removeTemporaryDirectories, temporaryDirectory } from './testing/workdir.ts';

const wide = sequential([
  dense('hidden', 100_000, 'tanh', { batch_input_shape: [null, 2], dtype: 'float32' }),
  dense('class', 2, 'softmax'),
]);

/** What a trap is in every engine; TypeScript's libraries here do not know WebAssembly. */
const trap = (): Error => Object.assign(new Error('unreachable'), { name: 'RuntimeError' });

/** A job for exact/1, and a machine whose kernels are these: as if they had been selected. */
async function onMachine(kernels: () => ExactKernels, program = xorJob().program) {
  const store = new MemoryStore();
  const header = await publishJob(store, xorJob({ program, runtime: 'exact/1' }));
  const spec = decodeJobSpec(await store.download(header.jobSpecReference));
  await selectFor(spec);
  tf.removeBackend('exact');
  const made = kernels();
  registerExactBackend({ name: 'exact', kernels: made });
  return { store, header, kernels: made };
}

/** Fails in the middle of a step, not when the backend is registered. */
async function failing(error: () => Error) {
  const machine = await onMachine(createReferenceKernels);
  machine.kernels.matMul = () => {
    throw error();
  };
  return machine;
}

afterAll(() => {
  tf.removeBackend('exact');
  removeTemporaryDirectories();
});

describe('a fault of the machine is no fault of the job', () => {
  it('when its memory does not hold what the job declares', async () => {
    const { store, header } = await onMachine(() => createWasmKernels({ threads: 1, maximumBytes: 2 ** 22 }), wide);
    const checking = checkJob({ store, header });
    await expect(checking).rejects.toThrow(MachineFaultError);
    await expect(checking).rejects.toMatchObject({ retryable: true, cause: expect.any(ExactMemoryError) });
  });

  it.each([
    ['a trap of its kernels', trap],
    ['memory that runs out in a step', () => new ExactMemoryError(8, 'test')],
    ['an array that cannot be made', () => new RangeError('Array buffer allocation failed')],
    ['native code that cannot start threads', () => Object.assign(new Error('no threads'), { code: 'EXACT_FAILURE' })],
  ])('%s', async (_, error) => {
    const { store, header } = await failing(error);
    await expect(checkJob({ store, header })).rejects.toMatchObject({ name: 'MachineFaultError', retryable: true });
    const training = trainJob({ store, header, workdir: temporaryDirectory() });
    await expect(training).rejects.toMatchObject({ name: 'MachineFaultError', retryable: true });
  });

  it('but what the kernels refuse is the job’s', async () => {
    const { store, header } = await failing(() => new Error('shapes do not fit'));
    expect(await checkJob({ store, header })).toMatchObject({ ok: false, reason: expect.stringContaining('shapes') });
  });
});
