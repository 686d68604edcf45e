import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { deriveProgram } from '../src/program/derive.ts';
import { recordStep } from '../src/program/record-step.ts';

import { packState } from '../src/program/state.ts';
import { exactBackend, tf } from './backends.ts';
import { expectSameTraces } from './program-traces.ts';
import { normals } from './values.ts';

beforeAll(async () => {
  exactBackend();
  await tf.setBackend('exact');
});
afterEach(() => {
  tf.disposeVariables();
});

/** A function of two float tensors whose program must give the backend's bits. */
type Compute = (a: tf.Tensor, b: tf.Tensor) => tf.Tensor;

/** Derives the program of `compute` as if it were a step, and runs it on other numbers. */
function expectSameBits(aShape: number[], bShape: number[], compute: Compute, integers = false): void {
  const numbers = (seed: number, shape: number[]): Float32Array =>
    normals(seed, tf.util.sizeFromShape(shape), 1).map((x) => (integers ? Math.round(2 * x) : x));
  const a = tf.variable(tf.tensor(numbers(1, aShape), aShape));
  const b = tf.variable(tf.tensor(numbers(2, bShape), bShape));
  const asFloats = (): tf.Tensor => tf.cast(compute(a, b), 'float32');
  const result = tf.tidy(() => tf.variable(tf.zerosLike(asFloats())));
  const { recording, bindings } = recordStep({
    backend: exactBackend(),
    state: [
      { name: 'a', variable: a },
      { name: 'b', variable: b },
      { name: 'result', variable: result },
    ],
    ...{ columns: [], batchSize: 1, rowBytes: 1, rows: new Uint8Array(1), hasMetric: false },
    train: () => {
      tf.tidy(() => {
        const y = asFloats();
        result.assign(y);
        tf.sum(y).dataSync();
      });
    },
  });
  const program = deriveProgram(recording, bindings);
  a.assign(tf.tensor(numbers(3, aShape), aShape));
  b.assign(tf.tensor(numbers(4, bShape), bShape));
  const state = packState(
    program,
    [a, b, result].map((variable) => variable.dataSync<'float32'>()),
  );
  const input = { state, rows: new Uint8Array(1), seed: 1n, step: 0 };
  const done = expectSameTraces(program, input);
  tf.tidy(() => {
    const wanted = asFloats();
    result.assign(wanted);
    expect(done.loss).toBe(tf.sum(wanted).dataSync()[0]);
  });
  expect(done.state).toEqual(
    packState(
      program,
      [a, b, result].map((variable) => variable.dataSync<'float32'>()),
    ),
  );
}

const four = (x: tf.Tensor): tf.Tensor4D => x as tf.Tensor4D;
const whole = (x: tf.Tensor): tf.Tensor => tf.cast(x, 'int32');
const truth = (x: tf.Tensor): tf.Tensor => tf.greater(x, 0);
/** The gradient by the first or second argument. */
const gradient =
  (f: Compute, by: 0 | 1 = 0): Compute =>
  (a, b) =>
    by === 0
      ? tf.grad((x: tf.Tensor) => tf.mul(f(x, b), 0.37))(a)
      : tf.grad((x: tf.Tensor) => tf.mul(f(a, x), 0.37))(b);

const cases: [string, number[], number[], Compute][] = [
  ['unary functions', [3, 50], [1], (a) =>
    tf.addN([
      tf.exp(a), tf.log(a), tf.log1p(a), tf.expm1(a), tf.sqrt(a), tf.rsqrt(a), tf.reciprocal(a), tf.sigmoid(a), tf.tanh(a),
      tf.erf(a), tf.softplus(a), tf.relu(a), tf.relu6(a), tf.elu(a), tf.selu(a), tf.leakyRelu(a, 0.3), tf.step(a, 0.5),
      tf.clipByValue(a, -0.5, 0.7), tf.abs(a), tf.neg(a), tf.sign(a), tf.floor(a), tf.ceil(a), tf.round(a), tf.square(a),
    ])],
  ['binary functions with broadcasting', [4, 1, 3], [5, 1], (a, b) =>
    tf.addN([
      tf.add(a, b), tf.sub(a, b), tf.mul(a, b), tf.div(a, b), tf.floorDiv(a, b), tf.mod(a, b), tf.pow(a, tf.round(b)),
      tf.maximum(a, b), tf.minimum(a, b), tf.squaredDifference(a, b),
    ])],
  ['prelu', [4, 3], [3], (a, b) => tf.prelu(a, b)],
  ['elu by its gradient', [4, 3], [1], gradient((a) => tf.elu(a))],
  ['comparisons', [4, 3], [4, 1], (a, b) =>
    tf.addN(
      [tf.equal(a, b), tf.notEqual(a, b), tf.less(a, b), tf.lessEqual(a, b), tf.greater(a, b), tf.greaterEqual(a, b)].map(
        (x) => tf.cast(x, 'float32'),
      ),
    )],
  ['logic', [4, 3], [4, 3], (a, b) =>
    tf.addN(
      [tf.logicalAnd(truth(a), truth(b)), tf.logicalOr(truth(a), truth(b)), tf.logicalNot(truth(a)), tf.isNaN(a)].map((x) =>
        tf.cast(x, 'float32'),
      ),
    )],
  ['whole numbers', [4, 3], [3], (a, b) => {
    const [x, y] = [whole(tf.mul(a, 100)), whole(tf.mul(b, 10))];
    return tf.add(
      tf.add(tf.mul(x, y), tf.floorDiv(x, y)),
      tf.add(tf.add(tf.mod(x, y), tf.maximum(x, y)), tf.add(tf.squaredDifference(x, y), tf.add(tf.abs(x), tf.neg(tf.square(x))))),
    );
  }],
  ['whole numbers that are summed', [70, 3], [1], (a) => tf.sum(whole(tf.mul(a, 100)), 0)],
  ['select', [4, 3], [4, 3], (a, b) => tf.where(truth(a), b, tf.mul(a, 2))],
  ['select of rows', [4], [4, 3], (a, b) => tf.engine().runKernel('Select', { condition: truth(a), t: b, e: tf.neg(b) })],
  ['casts', [4, 3], [1], (a) => tf.add(tf.cast(tf.cast(a, 'bool'), 'float32'), tf.cast(tf.cast(truth(a), 'int32'), 'float32'))],
  ['oneHot', [7], [1], (a) => tf.oneHot(whole(tf.mul(a, 3)) as tf.Tensor1D, 4, 5, -1)],
  ['sums over the last axis', [3, 200], [1], (a) => tf.sum(a, -1)],
  ['sums over the first axis', [130, 3], [1], (a) => tf.sum(a, 0)],
  ['sums over some axes', [3, 4, 5, 6], [1], (a) => tf.sum(a, [0, 2])],
  ['sums over all axes', [9, 17, 31], [1], (a) => tf.sum(a)],
  ['sums of turned data', [9, 17], [1], (a) => tf.sum(tf.transpose(a), 0)],
  ['means', [3, 65], [1], (a) => tf.mean(a, -1, true)],
  ['products', [3, 70], [1], (a) => tf.prod(a, -1)],
  ['largest and smallest', [3, 4100], [1], (a) => tf.add(tf.max(a, -1), tf.min(a, -1))],
  ['positions of the largest', [3, 4100], [1], (a) => tf.add(tf.argMax(a, -1), tf.argMin(a, -1))],
  ['positions of the largest along the first axis', [5, 3], [1], (a) => tf.argMax(a, 0)],
  ['all and any', [3, 4], [1], (a) => tf.add(tf.cast(tf.all(truth(a), -1), 'int32'), tf.cast(tf.any(truth(a), -1), 'int32'))],
  ['softmax', [3, 70], [1], (a) => tf.softmax(a)],
  ['logSoftmax and its gradient', [3, 70], [1], gradient((a) => tf.logSoftmax(a))],
  ['products of matrices', [5, 7], [7, 3], (a, b) => tf.matMul(a, b)],
  ['products of turned matrices', [7, 5], [3, 7], (a, b) => tf.matMul(a, b, true, true)],
  ['products in several blocks', [3, 1025], [1025, 2], (a, b) => tf.matMul(a, b)],
  ['products in blocks that end with their vectors', [2, 2048], [2048, 2], (a, b) => tf.matMul(a, b)],
  ['products in more than 64 blocks', [1, 66_000], [66_000, 1], (a, b) => tf.matMul(a, b)],
  ['batches of products', [4, 3, 5], [4, 5, 2], (a, b) => tf.matMul(a, b)],
  ['batches with one matrix', [1, 3, 5], [4, 5, 2], (a, b) => tf.matMul(a, b)],
  ['fused products', [3, 5], [5, 4], (a, b) =>
    tf.fused.matMul({ a: a as tf.Tensor2D, b: b as tf.Tensor2D, bias: tf.tensor1d([1, 2, 3, 4]), activation: 'relu6' })],
  ['batchNorm', [6, 4], [4], (a, b) => tf.batchNorm(a, b, tf.square(b), b, tf.neg(b), 1e-3)],
  ['transposition', [2, 3, 4], [1], (a) => tf.transpose(a, [2, 0, 1])],
  ['reshapes of turned data', [2, 3, 4], [1], (a) => tf.reshape(tf.transpose(a, [1, 0, 2]), [3, 8])],
  ['slices', [4, 5, 3], [1], (a) => tf.slice(a, [1, 2, 0], [2, 3, 2])],
  ['strided slices', [7, 5], [1], (a) => tf.stridedSlice(a, [6, 0], [0, 5], [-2, 3])],
  ['strided slices that lose an axis', [7, 5], [1], (a) => tf.stridedSlice(a, [2, 0], [3, 5], [1, 2], 0, 0, 0, 0, 1)],
  ['reversal', [4, 5], [1], (a) => tf.reverse(a, 1)],
  ['tiles', [2, 3], [1], (a) => tf.tile(a, [3, 2])],
  ['pads', [2, 3, 2], [1], (a) => tf.pad(a, [[1, 0], [0, 2], [1, 1]], 0.5)],
  ['concatenation', [2, 3], [2, 2], (a, b) => tf.concat([a, b, a, b, tf.ones([2, 1])], 1)],
  ['stacks', [2, 3], [2, 3], (a, b) => tf.stack([a, b, a], 1)],
  ['unstacks', [3, 4], [1], (a) => tf.add(tf.unstack(a, 1)[2]!, tf.unstack(a, 1)[0]!)],
  ['splits', [3, 9], [1], (a) => tf.mul(tf.split(a, [2, 4, 3], 1)[1]!, 2)],
  ['gathers with indices outside', [5, 3], [6], (a, b) => tf.gather(a, whole(tf.mul(b, 4)))],
  ['gathers along another axis', [4, 5, 2], [6], (a, b) => tf.gather(a, whole(tf.abs(b)), 1)],
  ['segment sums of a few rows', [20, 3], [20], (a, b) => tf.unsortedSegmentSum(a, whole(tf.mul(b, 2)) as tf.Tensor1D, 4)],
  ['segment sums of many rows', [300, 2], [300], (a, b) => tf.unsortedSegmentSum(a, whole(b) as tf.Tensor1D, 3)],
  ['segment sums in three levels', [4500, 1], [4500], (a, b) => tf.unsortedSegmentSum(a, whole(tf.mul(b, 0.01)) as tf.Tensor1D, 2)],
  ['ranges and fills', [5], [1], (a) => tf.add(tf.mul(a, tf.range(0, 5, 1)), tf.fill([5], 0.1))],
  ['enlarged images', [2, 3, 2, 3], [1], (a) => tf.image.resizeNearestNeighbor(four(a), [7, 4])],
  ['enlarged images by their gradient', [2, 3, 2, 3], [1], gradient((a) => tf.image.resizeNearestNeighbor(four(a), [7, 4]))],
]; // prettier-ignore

interface Geometry {
  size: [height: number, width: number];
  filter: [height: number, width: number];
  channels: [inputs: number, outputs: number];
  stride: [number, number];
  dilation: [number, number];
  pad: 'same' | 'valid';
}

const convolutions: Geometry[] = [
  { size: [5, 6], filter: [3, 2], channels: [2, 3], stride: [1, 1], dilation: [1, 1], pad: 'same' },
  { size: [7, 6], filter: [3, 3], channels: [2, 2], stride: [2, 3], dilation: [1, 1], pad: 'same' },
  { size: [7, 8], filter: [2, 3], channels: [3, 2], stride: [1, 1], dilation: [2, 2], pad: 'valid' },
  { size: [4, 4], filter: [1, 1], channels: [3, 4], stride: [1, 1], dilation: [1, 1], pad: 'valid' },
  { size: [5, 5], filter: [1, 1], channels: [1, 2], stride: [2, 2], dilation: [1, 1], pad: 'valid' },
];

describe('kernels as programs', () => {
  it.each(cases)('%s', (_, a, b, compute) => {
    expectSameBits(a, b, compute);
  });

  it.each(convolutions)('convolutions $size by $filter, stride $stride, dilation $dilation, $pad', (g) => {
    const [inputs, outputs] = g.channels;
    const x = [2, ...g.size, inputs];
    const filter = [...g.filter, inputs, outputs];
    const convolve: Compute = (a, b) => tf.conv2d(four(a), four(b), g.stride, g.pad, 'NHWC', g.dilation);
    const apart: Compute = (a, b) => tf.depthwiseConv2d(four(a), four(b), g.stride, g.pad, 'NHWC', g.dilation);
    for (const compute of [convolve, apart]) {
      expectSameBits(x, filter, compute);
      // TensorFlow.js has no gradients of dilated convolutions.
      if (g.dilation[0] > 1) continue;
      expectSameBits(x, filter, gradient(compute, 0));
      expectSameBits(x, filter, gradient(compute, 1));
    }
  });

  it.each(convolutions.filter(({ dilation }) => dilation[0] === 1))(
    'pooling $size by $filter, stride $stride, $pad, with equal values',
    ({ size, filter, stride, pad }) => {
      const x = [2, ...size, 3];
      for (const compute of [
        (a: tf.Tensor) => tf.maxPool(four(a), filter, stride, pad),
        (a: tf.Tensor) => tf.avgPool(four(a), filter, stride, pad),
      ]) {
        expectSameBits(x, [1], compute, true);
        expectSameBits(x, [1], gradient(compute), true);
      }
    },
  );

  it('any chain of movements', () => {
    const steps: ((x: tf.Tensor) => tf.Tensor)[] = [
      (x) => tf.transpose(x),
      (x) => tf.reverse(x, 0),
      (x) => tf.reshape(x, [x.size]),
      (x) => tf.reshape(x, x.size % 2 === 0 ? [2, x.size / 2] : [x.size, 1]),
      (x) =>
        tf.slice(
          x,
          x.shape.map(() => 0),
          x.shape.map((length) => Math.ceil(length / 2)),
        ),
      (x) => tf.concat([x, tf.neg(x)], 0),
      (x) =>
        tf.tile(
          x,
          x.shape.map(() => 2),
        ),
      (x) => tf.sum(x, 0, true),
      (x) => tf.stridedSlice(x, [0], [x.shape[0]!], [2]),
      (x) => tf.mul(x, 3),
    ];
    fc.assert(
      fc.property(fc.array(fc.nat(steps.length - 1), { minLength: 1, maxLength: 7 }), (chain) => {
        expectSameBits([4, 3, 2], [1], (a) => chain.reduce((x, step) => steps[step]!(x), a));
      }),
      { numRuns: 60 },
    );
  });
});
