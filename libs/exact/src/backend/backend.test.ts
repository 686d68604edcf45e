import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { exactBackend, exactNames, on, tf, use } from '../../test/backends.ts';
import { normals } from '../../test/values.ts';
import { ExactMemoryError, UnsupportedArgumentError, UnsupportedKernelError } from '../errors.ts';

type Compute = () => tf.Tensor | tf.Tensor[];

const random = (seed: number, shape: number[], deviation = 1): tf.Tensor =>
  tf.tensor(
    normals(
      seed,
      shape.reduce((a, b) => a * b, 1),
      deviation,
    ),
    shape,
  );
const positive = (seed: number, shape: number[]): tf.Tensor => tf.add(tf.abs(random(seed, shape)), 0.01);
const image = (seed: number): tf.Tensor4D => random(seed, [2, 6, 7, 3]) as tf.Tensor4D;
const labels = (): tf.Tensor1D => tf.tensor1d([0, 3, 1, 2, 2, 0], 'int32');
const grad = (f: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor): tf.Tensor =>
  tf.grad((input: tf.Tensor) => tf.sum(tf.mul(f(input), f(input))))(x);

/** Computations that agree with TensorFlow.js's own up to rounding. */
const rounded: Record<string, Compute> = {
  arithmetic: () => {
    const [a, b] = [random(1, [4, 5]), random(2, [5])];
    return [
      tf.add(a, b),
      tf.sub(b, a),
      tf.mul(a, b),
      tf.div(a, b),
      tf.maximum(a, b),
      tf.minimum(b, a),
      tf.squaredDifference(a, b),
    ];
  },
  'division and remainders': () => {
    const [a, b] = [tf.mul(random(3, [9]), 10), tf.tensor1d([1, -2, 3, 2.5, -1.5, 4, 5, -6, 7])];
    return [tf.pow(positive(3, [9]), b), tf.pow(a, 3), tf.sqrt(tf.abs(a))];
  },
  'broadcasting over many axes': () => [
    tf.add(random(1, [2, 1, 3, 1, 2]), random(2, [1, 4, 1, 5, 1])),
    tf.mul(random(1, [3, 1]), random(2, [1, 4])),
    tf.add(random(1, []), random(2, [2, 2])),
  ],
  'functions of one value': () => {
    const x = tf.mul(random(4, [50]), 3);
    const functions = [
      tf.abs,
      tf.neg,
      tf.sign,
      tf.floor,
      tf.ceil,
      tf.round,
      tf.square,
      tf.exp,
      tf.expm1,
      tf.sigmoid,
      tf.tanh,
    ];
    return [...functions, tf.erf, tf.softplus, tf.relu, tf.relu6, tf.elu, tf.selu].map((f) => f(x));
  },
  'functions of positive values': () =>
    [tf.log, tf.log1p, tf.sqrt, tf.rsqrt, tf.reciprocal].map((f) => f(positive(5, [40]))),
  'functions with parameters': () => {
    const x = random(6, [30]);
    return [tf.leakyRelu(x, 0.1), tf.clipByValue(x, -0.5, 0.7), tf.step(x, 0.2), tf.prelu(x, tf.scalar(0.3))];
  },
  comparisons: () => {
    const [a, b] = [tf.round(random(7, [4, 5])), tf.round(random(8, [5]))];
    return [tf.equal, tf.notEqual, tf.less, tf.lessEqual, tf.greater, tf.greaterEqual].map((f) => f(a, b));
  },
  logic: () => {
    const [a, b] = [tf.greater(random(7, [4, 5]), 0), tf.greater(random(8, [5]), 0)];
    return [
      tf.logicalAnd(a, b),
      tf.logicalOr(a, b),
      tf.logicalNot(a),
      tf.where(a, random(1, [4, 5]), random(2, [5])),
      tf.any(a, 0),
      tf.all(a, 1),
      tf.isNaN(random(1, [3])),
    ];
  },
  reductions: () => {
    const x = random(9, [3, 4, 5, 2]);
    const axes = [undefined, 0, 1, -1, [0, 1], [1, 3], [0, 2], [0, 1, 2, 3]];
    return axes.flatMap((axis) => [tf.sum(x, axis), tf.mean(x, axis, true), tf.max(x, axis), tf.min(x, axis)]);
  },
  'further reductions': () => {
    const x = random(10, [4, 6]);
    return [tf.argMax(x, 0), tf.argMin(x, 1), tf.prod(x, 1), tf.logSumExp(x, 1), ...Object.values(tf.moments(x, 0))];
  },
  softmax: () => [tf.softmax(random(11, [4, 9], 3)), tf.logSoftmax(random(12, [4, 9], 3))],
  'views of data': () => {
    const x = random(13, [2, 3, 4]);
    return [
      ...[tf.reshape(x, [4, 6]), tf.transpose(x), tf.transpose(x, [1, 0, 2]), tf.slice(x, [0, 1, 1], [2, 2, 3])],
      ...[tf.stridedSlice(x, [0, 2, 0], [2, -4, 4], [1, -1, 2]), tf.reverse(x, [0, 2]), tf.tile(x, [2, 1, 3])],
      ...[
        tf.pad(
          x,
          [
            [1, 0],
            [0, 2],
            [1, 1],
          ],
          7,
        ),
        tf.concat([x, x], 1),
        tf.stack([x, x], 2),
        tf.expandDims(x, 1),
      ],
      ...[...tf.unstack(x, 1), ...tf.split(x, [1, 3], 2), tf.squeeze(tf.slice(x, [0, 0, 0], [1, 3, 4]))],
      ...[
        tf.zerosLike(x),
        tf.onesLike(x),
        tf.fill([2, 2], 3),
        tf.range(0, 5, 2),
        tf.broadcastTo(random(1, [4]), [3, 4]),
      ],
    ];
  },
  'integers and booleans': () => {
    const x = tf.tensor1d([1, -2, 7, 100_000], 'int32');
    return [
      ...[tf.add(x, x), tf.mul(x, tf.scalar(3, 'int32')), tf.sub(x, tf.scalar(1, 'int32')), tf.cast(x, 'float32')],
      ...[
        tf.cast(tf.tensor1d([1.7, -1.7, 0.2]), 'int32'),
        tf.cast(tf.tensor1d([0, -0.5]), 'bool'),
        tf.sum(x),
        tf.max(x),
      ],
      ...[tf.oneHot(labels(), 4), tf.greater(x, tf.scalar(0, 'int32')), tf.transpose(tf.greater(random(1, [2, 3]), 0))],
      ...[tf.slice(x, 1, 2), tf.concat([x, x]), tf.gather(x, labels())],
    ];
  },
  gather: () => [
    tf.gather(random(14, [4, 3]), labels()),
    tf.gather(
      random(14, [2, 4, 3]),
      tf.tensor2d(
        [
          [0, 3],
          [1, 1],
        ],
        undefined,
        'int32',
      ),
      1,
    ),
    tf.unsortedSegmentSum(random(15, [6, 2]) as tf.Tensor2D, labels(), 5),
  ],
  pooling: () => [
    tf.maxPool(image(16), 2, 2, 'valid'),
    tf.maxPool(image(16), 3, 2, 'same'),
    tf.avgPool(image(16), [2, 3], 1, 'same'),
    tf.avgPool(image(16), 2, 2, 'valid'),
  ],
  'gradients of functions': () =>
    [tf.sigmoid, tf.tanh, tf.erf, tf.softplus, tf.relu, tf.elu, tf.exp, tf.square, tf.abs]
      .map((f) => grad(f, random(17, [20])))
      .concat([tf.log, tf.sqrt, tf.rsqrt].map((f) => grad(f, positive(18, [20])))),
  'gradients of the rest': () => [
    grad((x) => tf.softmax(x), random(19, [3, 7])),
    grad((x) => tf.logSoftmax(x), random(19, [3, 7])),
    grad((x) => tf.mean(x, 0), random(19, [3, 7])),
    grad((x) => tf.max(x, 1), random(19, [3, 7])),
    grad((x) => tf.gather(x, labels()), random(20, [4, 3])),
    grad((x) => tf.maxPool(x as tf.Tensor4D, 2, 2, 'valid'), image(21)),
    grad((x) => tf.avgPool(x as tf.Tensor4D, 2, 2, 'valid'), image(21)),
    grad(
      (x) => tf.concat([tf.slice(x, [0, 1], [3, 2]), tf.transpose(tf.slice(x, [1, 2], [2, 3]))], 1),
      random(22, [3, 7]),
    ),
    grad((x) => tf.add(x, random(1, [1, 7])), random(22, [3, 1])),
  ],
  'batch normalisation': () => {
    const x = image(23);
    const run = (input: tf.Tensor): tf.Tensor =>
      tf.batchNorm(
        input,
        random(1, [3]) as tf.Tensor1D,
        positive(2, [3]) as tf.Tensor1D,
        random(3, [3]) as tf.Tensor1D,
        random(4, [3]) as tf.Tensor1D,
        1e-3,
      );
    return [run(x), grad(run, x), tf.batchNorm(x, random(1, [3]) as tf.Tensor1D, positive(2, [3]) as tf.Tensor1D)];
  },
  losses: () => {
    const logits = random(24, [6, 4], 2) as tf.Tensor2D;
    const truth = tf.cast(tf.oneHot(labels(), 4), 'float32');
    return [
      tf.losses.softmaxCrossEntropy(truth, logits),
      tf.grad((x) => tf.losses.softmaxCrossEntropy(truth, x))(logits),
    ];
  },
};

/** Computations with contractions: near within the quantisation's error. */
const quantised: Record<string, Compute> = {
  'matrix products': () => {
    const [a, b] = [random(30, [5, 40]), random(31, [40, 6])] as [tf.Tensor2D, tf.Tensor2D];
    return [
      ...[tf.matMul(a, b), tf.matMul(tf.transpose(a), b, true), tf.matMul(a, tf.transpose(b), false, true)],
      ...[
        tf.matMul(random(32, [3, 4, 20]), random(33, [3, 20, 2])),
        tf.matMul(random(32, [3, 4, 20]), random(33, [20, 2])),
      ],
      ...[
        tf.dot(random(34, [30]), random(35, [30])),
        tf.outerProduct(random(34, [3]) as tf.Tensor1D, random(35, [4]) as tf.Tensor1D),
      ],
    ];
  },
  'fused matrix products': () =>
    (['linear', 'relu', 'relu6', 'elu', 'sigmoid', 'leakyrelu'] as const).map((activation) =>
      tf.fused.matMul({
        ...{ a: random(36, [4, 30]) as tf.Tensor2D, b: random(37, [30, 5]) as tf.Tensor2D },
        ...{ bias: random(38, [5]), activation, leakyreluAlpha: 0.1 },
      }),
    ),
  'gradients of matrix products': () => {
    const [a, b] = [random(39, [8, 50]), random(40, [50, 7])] as [tf.Tensor2D, tf.Tensor2D];
    return tf.grads((x, y) => tf.sum(tf.mul(tf.matMul(x as tf.Tensor2D, y as tf.Tensor2D), random(41, [8, 7]))))([
      a,
      b,
    ]);
  },
  convolutions: () => {
    const filter = random(42, [3, 2, 3, 4]) as tf.Tensor4D;
    return [
      ...[tf.conv2d(image(43), filter, 1, 'same'), tf.conv2d(image(43), filter, [2, 1], 'valid')],
      ...[tf.conv2d(image(43), filter, 1, 'valid', 'NHWC', [2, 3]), tf.conv2d(image(43), filter, 2, 'same')],
      tf.fused.conv2d({ x: image(43), filter, strides: 1, pad: 'same', bias: random(1, [4]), activation: 'relu' }),
      tf.conv1d(random(44, [2, 9, 3]) as tf.Tensor3D, random(45, [3, 3, 4]) as tf.Tensor3D, 1, 'same'),
      tf.conv2dTranspose(random(46, [2, 3, 3, 4]) as tf.Tensor4D, filter, [2, 6, 6, 3], 2, 'same'),
    ];
  },
  'gradients of convolutions': () => {
    const run = (strides: number, pad: 'same' | 'valid') =>
      tf.grads((x, f) => {
        const y = tf.conv2d(x as tf.Tensor4D, f as tf.Tensor4D, strides, pad);
        return tf.sum(tf.mul(y, random(47, y.shape)));
      })([image(48), random(49, [3, 2, 3, 4])]);
    return [...run(1, 'same'), ...run(2, 'same'), ...run(1, 'valid'), ...run(2, 'valid')];
  },
  'depthwise convolutions and their gradients': () => {
    const filter = random(50, [3, 3, 3, 2]) as tf.Tensor4D;
    return [
      tf.depthwiseConv2d(image(51), filter, 1, 'same'),
      ...tf.grads((x, f) => {
        const y = tf.depthwiseConv2d(x as tf.Tensor4D, f as tf.Tensor4D, 1, 'valid');
        return tf.sum(tf.mul(y, random(52, y.shape)));
      })([image(51), filter]),
    ];
  },
};

describe.each(exactNames)('the backend %s', (name) => {
  beforeAll(() => {
    tf.enableProdMode();
  });

  afterAll(async () => {
    await exactBackend(name).kernels.dispose();
  });

  it.each(Object.entries(rounded))('agrees with float32 up to rounding: %s', async (_, compute) => {
    const expected = await on('cpu', compute);
    const actual = await on(name, compute);
    expect(actual.map(({ shape, dtype }) => ({ shape, dtype }))).toEqual(
      expected.map(({ shape, dtype }) => ({ shape, dtype })),
    );
    actual.forEach(({ values }, result) => {
      values.forEach((value, i) => {
        const truth = expected[result]!.values[i]!;
        expect(Math.abs(value - truth)).toBeLessThanOrEqual(4e-6 * Math.max(1, Math.abs(truth)));
      });
    });
  });

  it.each(Object.entries(quantised))('agrees with float32 within the quantisation: %s', async (_, compute) => {
    const expected = await on('cpu', compute);
    const actual = await on(name, compute);
    expect(actual.map(({ shape, dtype }) => ({ shape, dtype }))).toEqual(
      expected.map(({ shape, dtype }) => ({ shape, dtype })),
    );
    actual.forEach(({ values }, result) => {
      const truth = expected[result]!.values;
      const size = Math.sqrt(truth.reduce((sum, x) => sum + x * x, 0));
      const error = Math.sqrt(values.reduce((sum, x, i) => sum + (x - truth[i]!) ** 2, 0));
      expect(error / size).toBeLessThan(0.03);
    });
  });

  it('refuses kernels that the profile does not define, by name', async () => {
    await use(name);
    for (const [call, kernel] of [
      [() => tf.sin(tf.tensor1d([1])), 'Sin'],
      [() => tf.spectral.fft(tf.complex([1], [1])), 'Complex'],
      [() => tf.cumsum(tf.tensor1d([1])), 'Cumsum'],
      [() => tf.topk(tf.tensor1d([1]), 1), 'TopK'],
    ] as const) {
      const failure = (() => {
        try {
          tf.tidy(() => {
            call();
          });
          return null;
        } catch (error) {
          return error;
        }
      })();
      expect(failure).toBeInstanceOf(UnsupportedKernelError);
      expect(failure).toMatchObject({ kernel });
    }
    expect([...tf.add(tf.tensor1d([1]), 1).dataSync()]).toEqual([2]);
  });

  it('stays usable and leaks nothing after bad input', async () => {
    await use(name);
    const backend = exactBackend(name);
    const before = backend.numDataIds();
    expect(() => tf.tidy(() => tf.tensor(['text']))).toThrow(UnsupportedArgumentError);
    expect(() =>
      tf.tidy(() =>
        tf.conv2d(random(1, [1, 3, 3, 2]) as tf.Tensor4D, random(2, [1, 1, 2, 2]) as tf.Tensor4D, 1, 'valid', 'NCHW'),
      ),
    ).toThrow();
    expect(() => tf.tidy(() => tf.softmax(random(1, [2, 3]), 0))).toThrow();
    expect(backend.numDataIds()).toBe(before);
    const gone = tf.tensor1d([1]);
    gone.dispose();
    expect(() => tf.add(gone, 1)).toThrow('disposed');
    tf.disposeVariables();
  });

  it('says when memory is exhausted, and works on', async () => {
    await use(name);
    const before = exactBackend(name).numDataIds();
    expect(() => exactBackend(name).kernels.allocate('float32', 2 ** 45)).toThrow(ExactMemoryError);
    // The reference would find 4 GiB.
    if (name === 'exact-wasm') {
      expect(() => tf.tidy(() => tf.fill([2 ** 30], 1))).toThrow(ExactMemoryError);
      expect(() => tf.tidy(() => tf.outerProduct(tf.zeros([40_000]), tf.zeros([40_000])))).toThrow(ExactMemoryError);
    }
    expect(exactBackend(name).numDataIds()).toBe(before);
    expect(tf.tidy(() => [...tf.add(tf.tensor1d([1]), 1).dataSync()])).toEqual([2]);
  });

  it('makes entering data values of the profile', async () => {
    await use(name);
    const x = tf.tidy(() => [...tf.tensor1d([NaN, Infinity, -Infinity, -0, 1e-40, 5]).dataSync()]);
    expect(x.map((value) => Object.is(value, -0))).not.toContain(true);
    expect(x).toEqual([0, 2 ** 100, -(2 ** 100), 0, 0, 5]);
  });

  it('does not let a reader change a tensor', async () => {
    await use(name);
    const x = tf.tensor1d([1, 2]);
    x.dataSync()[0] = 9;
    expect([...x.dataSync()]).toEqual([1, 2]);
    x.dispose();
  });
});
