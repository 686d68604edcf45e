import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { type OperationObserver, OperationRecorder } from '../src/backend/recording.ts';
import { definedKernels, registerExactBackend } from '../src/backend/register.ts';
import type { ComposedBackend } from '../src/composed/composed-backend.ts';
import { createComposedKernels } from '../src/composed/composed-kernels.ts';
import { InnerBackendUnavailableError, TfjsNodeUnavailableError } from '../src/composed/errors.ts';
import { composedKernels, registerComposedBackend } from '../src/composed/register.ts';
import { loadTfjsNode, tfjsNodeFolder, tfjsNodeIsInstalled } from '../src/composed/tfjs-node.ts';
import { runVector, type Vector } from '../src/conformance/vector.ts';
import { DisposedDataError, ExactError, ExactMemoryError, StartupMismatchError } from '../src/errors.ts';
import { createReferenceKernels } from '../src/reference/reference-kernels.ts';
import { type ComposedName, composedBackend, exactBackend, innerNames, on, tf, use } from './backends.ts';
import { cases, spread } from './composed-cases.ts';
import { denseModel } from './models.ts';
import { foreignBits, fromBits } from './values.ts';

const here = innerNames.filter((inner) => inner !== 'tensorflow' || tfjsNodeIsInstalled());
if (!tfjsNodeIsInstalled())
  it.skip(`exact/1 composed on tensorflow: tfjs-node is not in ${tfjsNodeFolder()}; build it with npm run tfjs-node`, () =>
    undefined);

const vectorFolder = `${import.meta.dirname}/../vectors`;
// The hashes of long runs lie there, too; they are no vectors.
const vectorFiles = readdirSync(vectorFolder).filter((file) => file.endsWith('.json'));

const bitsOf = (values: readonly number[]): number[] => [...new Uint32Array(Float32Array.from(values).buffer)];

/** What a computation records and gives on a backend. */
async function observed(name: 'exact' | ComposedName, compute: () => tf.Tensor | tf.Tensor[]) {
  await use(name);
  const backend: { observe(observer: OperationObserver | null): void } =
    name === 'exact' ? exactBackend() : await composedBackend(name);
  const recorder = new OperationRecorder();
  backend.observe(recorder);
  try {
    const results = await on(name, compute);
    return {
      operations: recorder.operations,
      data: recorder.data,
      results: results.map(({ shape, dtype, values }) => ({
        ...{ shape, dtype },
        values: dtype === 'float32' ? bitsOf(values) : values,
      })),
    };
  } finally {
    backend.observe(null);
  }
}

beforeAll(() => {
  tf.enableProdMode();
});

describe.each(here)('exact/1 composed on %s', (inner) => {
  const name: ComposedName = `exact-on-${inner}`;
  const seen = new Set<string>();
  let backend: ComposedBackend;
  beforeAll(async () => {
    backend = await composedBackend(name);
  });

  it.each(vectorFiles)('gives the committed bits: %s', (file) => {
    const kernels = createComposedKernels(backend.primitives);
    const vectors = JSON.parse(readFileSync(`${vectorFolder}/${file}`, 'utf8')) as Vector[];
    expect(vectors.length).toBeGreaterThan(10);
    expect(vectors.map((vector) => runVector(kernels, vector)).filter((mismatch) => mismatch !== null)).toEqual([]);
  });

  it.each(Object.entries(cases))(
    'gives the bits and the record of the exact backend: %s',
    async (_, computations) => {
      await fc.assert(
        fc.asyncProperty(computations, async (compute) => {
          const [expected, actual] = [await observed('exact', compute), await observed(name, compute)];
          for (const { opcode } of actual.operations) seen.add(opcode);
          expect(actual).toEqual(expected);
        }),
        { numRuns: 10 },
      );
    },
    120_000,
  );

  it('was compared in every kernel of the profile', () => {
    expect(Object.keys(composedKernels).sort()).toEqual(Object.keys(definedKernels).sort());
    expect([...seen].sort()).toEqual(Object.keys(definedKernels).sort());
  });

  it('makes entering data values of the profile', async () => {
    await use(name);
    const entered = [...foreignBits.map(fromBits), 5];
    const expected = new Float32Array(entered.length);
    createReferenceKernels().normalise(expected, Float32Array.from(entered));
    expect(tf.tidy(() => bitsOf([...tf.tensor1d(entered).dataSync()]))).toEqual(bitsOf([...expected]));
    expect([...tf.tidy(() => tf.tensor(new Uint8Array([0, 1, 2, 255]), [4], 'bool').dataSync())]).toEqual([0, 1, 1, 1]);
  });

  it('takes over tensors of other backends as data that enters', async () => {
    await use('cpu');
    const x = tf.tensor1d([NaN, 1e-35, 2]);
    const recorder = new OperationRecorder();
    await use(name);
    backend.observe(recorder);
    const y = tf.add(x, 1);
    backend.observe(null);
    expect([...y.dataSync()]).toEqual([1, 1, 3]);
    expect(recorder.data.map(({ values }) => [...values])).toEqual([[0, 0, 2], [1]].toReversed());
    tf.dispose([x, y]);
  });

  it('does not let a reader change a tensor, nor a writer', async () => {
    await use(name);
    const source = Float32Array.of(1, 2);
    const x = tf.tensor1d(source);
    source[1] = 7;
    x.dataSync()[0] = 9;
    expect([...x.dataSync()]).toEqual([1, 2]);
    x.dispose();
  });

  /** Everything that a call left in the inner backend, besides the single numbers that stay. */
  const held = (): number => backend.primitives.backend.numDataIds() - backend.primitives.constants;

  it.each<[string, () => unknown]>([
    ['a kernel that the profile does not define', () => tf.sin(tf.tensor1d([1]))],
    ['text', () => tf.tensor(['text'])],
    ['another type', () => tf.cast(tf.tensor1d([1]), 'complex64')],
    [
      'a softmax along another axis',
      () => tf.engine().runKernel('Softmax', { logits: spread([1, 2], [2, 3]) }, { dim: 0 }),
    ],
    [
      'matrices that do not fit',
      () => tf.engine().runKernel('BatchMatMul', { a: spread([1], [2, 3]), b: spread([1], [2, 3]) }, {}),
    ],
    [
      'an image with channels first',
      () => tf.conv2d(tf.zeros<tf.Rank.R4>([1, 2, 3, 3]), tf.zeros<tf.Rank.R4>([1, 1, 2, 2]), 1, 'valid', 'NCHW'),
    ],
    ['a shape of another size', () => tf.engine().runKernel('Reshape', { x: spread([1], [6]) }, { shape: [4] })],
    [
      'a slice that leaves its tensor',
      () => tf.engine().runKernel('Slice', { x: spread([1], [6]) }, { begin: [3], size: [5] }),
    ],
    [
      'an unknown activation',
      () => tf.fused.matMul({ a: tf.zeros([2, 2]), b: tf.zeros([2, 2]), activation: 'tanh' as never }),
    ],
    ['too many elements', () => tf.fill([1_000_000, 1_000_000], 1)],
    ['a product with too many elements', () => tf.outerProduct(tf.zeros([300_000]), tf.zeros([300_000]))],
    ['float with int32', () => tf.engine().runKernel('Add', { a: tf.zeros([1]), b: tf.zeros([1], 'int32') })],
    [
      'indices that are no integers',
      () => tf.engine().runKernel('GatherV2', { x: tf.zeros([2]), indices: tf.zeros([1]) }, { axis: 0 }),
    ],
    [
      'a tensor that is gone',
      () => backend.call('Abs', { x: { dataId: {}, shape: [1], dtype: 'float32' } }, {}, composedKernels['Abs']!),
    ],
  ])('fails like the exact backend and leaves nothing: %s', async (what, fail) => {
    const failure = (): Error => {
      try {
        tf.tidy(() => {
          fail();
        });
      } catch (error) {
        return error as Error;
      }
      throw new Error(`${what} was accepted`);
    };
    await use('exact');
    const expected = what === 'a tensor that is gone' ? new DisposedDataError('a tensor') : failure();
    await use(name);
    const before = { ...tf.memory(), held: held() };
    const actual = failure();
    expect({ ...tf.memory(), held: held() }).toEqual(before);
    expect(actual).toBeInstanceOf(ExactError);
    expect(actual.constructor).toBe(expected.constructor);
    expect(actual.message).toBe(expected.message);
    expect(tf.tidy(() => [...tf.add(tf.tensor1d([1]), 1).dataSync()])).toEqual([2]);
  });

  it('keeps memory flat over many steps', async () => {
    await use(name);
    const model = denseModel([20, 8, 3]);
    const optimizer = tf.train.adam(1e-3);
    const train = (steps: number): void => {
      for (let step = 0; step < steps; step++)
        tf.tidy(() => {
          const [x, y] = [spread([1, -2, 0.3], [4, 20]), tf.tensor1d([0, 1, 2, 0], 'int32')];
          const { grads } = tf.variableGrads(() => model.loss(x, y), model.variables);
          optimizer.applyGradients(model.variables.map(({ name }) => ({ name, tensor: grads[name]! })));
        });
    };
    train(3);
    const before = { ...tf.memory(), held: held(), constants: backend.primitives.constants, ids: backend.numDataIds() };
    train(40);
    expect({
      ...{ ...tf.memory(), held: held(), constants: backend.primitives.constants, ids: backend.numDataIds() },
    }).toEqual(before);
    optimizer.dispose();
    tf.disposeVariables();
  });

  it('says that memory is used up before the inner backend has to', async () => {
    const small = await registerComposedBackend({ on: inner, name: 'small', maximumBytes: 2 ** 23 });
    await tf.setBackend('small');
    const x = tf.zeros([1000, 1000]);
    expect(() => tf.tidy(() => tf.exp(x))).toThrow(ExactMemoryError);
    expect([...tf.tidy(() => tf.add(tf.zeros([2]), 1)).dataSync()]).toEqual([1, 1]);
    x.dispose();
    expect(small.numDataIds()).toBe(1);
    tf.disposeVariables();
    await use(name);
    tf.removeBackend('small');
  });
});

describe('registering a composed backend', () => {
  afterAll(async () => {
    await use('cpu');
  });

  it('needs the inner backend', async () => {
    await expect(registerComposedBackend({ on: 'abacus' })).rejects.toThrow(InnerBackendUnavailableError);
  });

  it('leaves the current backend as it is', async () => {
    await use('exact');
    await registerComposedBackend({ on: 'cpu', name: 'exact-elsewhere' });
    expect(tf.getBackend()).toBe('exact');
    tf.removeBackend('exact-elsewhere');
  });

  it('replaces a backend of the same name, of whichever kind', async () => {
    registerExactBackend({ name: 'replaced', kernels: createReferenceKernels() });
    await registerComposedBackend({ on: 'cpu', name: 'replaced' });
    await tf.setBackend('replaced');
    expect([...tf.tidy(() => tf.exp(tf.tensor1d([1])).dataSync())]).toEqual([Math.fround(2.7182817459106445)]);
    await use('cpu');
    registerExactBackend({ name: 'replaced', kernels: createReferenceKernels() });
    await tf.setBackend('replaced');
    expect([...tf.tidy(() => tf.exp(tf.tensor1d([1])).dataSync())]).toEqual([Math.fround(2.7182817459106445)]);
    await use('cpu');
    tf.removeBackend('replaced');
  });

  it.each([
    ['an addition that is off by one bit', 'Add', (bits: number) => bits ^ 1],
    ['a product of matrices that is rounded', 'BatchMatMul', (bits: number) => bits & ~1],
    ['a division that is only nearly right', 'RealDiv', (bits: number) => bits + 1],
  ])('refuses %s', async (_, wrong, change) => {
    await use('cpu');
    const cpu = tf.backend();
    tf.registerBackend('nearly', () => cpu);
    for (const { kernelName, kernelFunc } of tf.getKernelsForBackend('cpu'))
      tf.registerKernel({
        ...{ kernelName, backendName: 'nearly' },
        kernelFunc: (call) => {
          const result = kernelFunc(call) as tf.TensorInfo;
          if (kernelName !== wrong || result.dtype !== 'float32') return result;
          const bits = new Int32Array((cpu.readSync(result.dataId) as Float32Array).slice().buffer).map(change);
          return { ...result, dataId: cpu.write(new Float32Array(bits.buffer), result.shape, 'float32') };
        },
      });
    await expect(registerComposedBackend({ on: 'nearly' })).rejects.toThrow(StartupMismatchError);
    for (const { kernelName } of tf.getKernelsForBackend('nearly')) tf.unregisterKernel(kernelName, 'nearly');
    // Without its end: the backend is cpu's own.
    Object.assign(cpu, { dispose: () => undefined });
    tf.removeBackend('nearly');
  });
});

describe('loading tfjs-node', () => {
  it('looks where the environment says', () => {
    expect(tfjsNodeFolder({ COTRAIN_TFJS_NODE: '/somewhere' })).toBe('/somewhere');
    expect(tfjsNodeFolder({ XDG_CACHE_HOME: '/cache' })).toMatch(/^\/cache\/cotrain\/tfjs-node-4\.22\.0-tf2\.15\.1-/);
    expect(tfjsNodeFolder({})).toMatch(/\.cache\/cotrain\/tfjs-node-/);
  });

  it('says how to get it where it is missing', async () => {
    if ((tf.findBackendFactory('tensorflow') as unknown) !== null) tf.removeBackend('tensorflow');
    await expect(loadTfjsNode('/nowhere')).rejects.toThrow(TfjsNodeUnavailableError);
    await expect(loadTfjsNode('/nowhere')).rejects.toThrow(/\/nowhere.*npm run tfjs-node/);
  });
});
