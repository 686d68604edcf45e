import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { OperationRecorder } from '../src/backend/recording.ts';
import { exactBackend, tf } from './backends.ts';
import { denseModel, type TestModel, transformerModel } from './models.ts';
import { normals } from './values.ts';

/** Records one training step. */
function recordStep(model: TestModel, x: () => tf.Tensor, y: () => tf.Tensor): OperationRecorder {
  const recorder = new OperationRecorder();
  const optimizer = tf.train.adam(1e-3);
  exactBackend().observe(recorder);
  try {
    tf.tidy(() => {
      const { grads } = tf.variableGrads(() => model.loss(x(), y()), model.variables);
      optimizer.applyGradients(model.variables.map(({ name }) => ({ name, tensor: grads[name]! })));
    });
  } finally {
    exactBackend().observe(null);
    optimizer.dispose();
  }
  return recorder;
}

const denseStep = (): OperationRecorder =>
  recordStep(
    denseModel([6, 4, 3]),
    () => tf.tensor(normals(1, 12), [2, 6]),
    () => tf.tensor1d([2, 0], 'int32'),
  );

describe('recording', () => {
  beforeEach(async () => {
    exactBackend();
    await tf.setBackend('exact');
  });
  afterEach(() => {
    tf.disposeVariables();
  });

  it('sees every kernel call of a step with its attributes and shapes', () => {
    const { operations } = denseStep();
    const products = operations.filter(({ opcode }) => opcode === 'BatchMatMul');
    const shapes = products.map(({ inputs, outputs }) => [...inputs, ...outputs].map(({ shape }) => shape));
    expect(shapes).toEqual([
      [
        [2, 6],
        [6, 4],
        [2, 4],
      ],
      [
        [2, 4],
        [4, 3],
        [2, 3],
      ],
      [
        [2, 3],
        [4, 3],
        [2, 4],
      ],
      [
        [2, 4],
        [2, 3],
        [4, 3],
      ],
      [
        [2, 6],
        [2, 4],
        [6, 4],
      ],
    ]);
    expect(products.map(({ attributes }) => [attributes['transposeA'], attributes['transposeB']])).toEqual([
      [false, false],
      [false, false],
      [false, true],
      [true, false],
      [true, false],
    ]);
  });

  it('makes a program in which every input was there before', () => {
    const { operations, data } = denseStep();
    const state = new Set<number>();
    const known = new Set(data.map(({ tensor }) => tensor.id));
    for (const { inputs, outputs } of operations) {
      for (const { id } of inputs) if (!known.has(id)) state.add(id);
      for (const { id } of outputs) known.add(id);
    }
    // What was neither made nor uploaded in the step is its state: the model's four variables and Adam's two powers.
    expect(state.size).toBe(6);
  });

  it('is the same for the same model and batch shape, whatever the data', () => {
    const make = (seed: number): OperationRecorder =>
      recordStep(
        transformerModel({ vocabulary: 11, width: 8, heads: 2, layers: 2, length: 5 }, seed),
        () =>
          tf.tensor(
            Int32Array.from({ length: 10 }, (_, i) => (i * seed) % 11),
            [2, 5],
            'int32',
          ),
        () =>
          tf.tensor(
            Int32Array.from({ length: 10 }, (_, i) => (i + seed) % 11),
            [2, 5],
            'int32',
          ),
      );
    const first = make(1);
    expect(first.operations.length).toBeGreaterThan(300);
    expect(make(5).operations).toEqual(first.operations);
  });

  it('can be written down and read again', () => {
    const { operations } = denseStep();
    expect(JSON.parse(JSON.stringify(operations))).toStrictEqual(operations);
  });

  it('hands over what enters, as values of the profile', () => {
    const recorder = new OperationRecorder();
    exactBackend().observe(recorder);
    tf.tidy(() => tf.add(tf.tensor1d([NaN, 1]), 2));
    exactBackend().observe(null);
    expect(recorder.data.map(({ values }) => [...values])).toEqual([[0, 1], [2]]);
    expect(recorder.operations).toEqual([
      {
        opcode: 'Add',
        attributes: {},
        inputs: [
          { id: 0, shape: [2], dtype: 'float32' },
          { id: 1, shape: [], dtype: 'float32' },
        ],
        outputs: [{ id: 2, shape: [2], dtype: 'float32' }],
      },
    ]);
  });

  it('sees nothing after it was detached', () => {
    const recorder = new OperationRecorder();
    exactBackend().observe(recorder);
    exactBackend().observe(null);
    tf.tidy(() => tf.add(tf.tensor1d([1]), 2));
    expect(recorder.operations).toEqual([]);
  });
});
