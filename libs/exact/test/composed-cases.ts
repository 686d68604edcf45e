import fc from 'fast-check';
import { adamCoefficients, initialBetaPowers } from '../src/adam-coefficients.ts';
import { adamStep, dropoutMask, momentumStep, sgdStep } from '../src/backend/training.ts';
import { tf } from './backends.ts';
import { anyValue, foreignBits, fromBits } from './values.ts';

// Computations whose bits every backend must agree on, as properties: what is drawn is data, so that each backend runs
// the same.

/** Values of every kind, and bits that are no values: uploading makes them some. */
const seeds = fc.array(fc.oneof({ weight: 6, arbitrary: anyValue }, fc.constantFrom(...foreignBits.map(fromBits))), {
  minLength: 2,
  maxLength: 40,
});

/** Ordinary magnitudes, for what would only saturate otherwise. */
const ordinary = fc.array(
  fc.integer({ min: -400, max: 400 }).map((n) => n / 64),
  { minLength: 2, maxLength: 30 },
);

type Drawn = readonly number[];

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Many values from few, without a period that a shape could hit. */
export function spread(drawn: Drawn, shape: number[], salt = 0): tf.Tensor {
  const values = Float32Array.from({ length: sizeOf(shape) }, (_, i) => {
    const mixed = Math.imul(i + 1 + salt * 7919, 0x9e3779b1) >>> 0;
    return drawn[mixed % drawn.length]! * (mixed & 0x100 ? 1 + (mixed >>> 20) / 4096 : 1);
  });
  return tf.tensor(values, shape);
}

const whole = (drawn: Drawn, shape: number[], below: number, salt = 0): tf.Tensor => {
  const values = Int32Array.from({ length: sizeOf(shape) }, (_, i) => {
    const mixed = Math.imul(i + 1 + salt * 7919, 0x9e3779b1) >>> 0;
    return Math.abs(Math.trunc((drawn[mixed % drawn.length]! * 64) % 1000)) % below;
  });
  return tf.tensor(values, shape, 'int32');
};

const shapes = (minLength: number, maxLength: number, max: number, min = 1): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min, max }), { minLength, maxLength });

/** Two shapes that broadcast together. */
const pairOfShapes = shapes(0, 6, 3).chain((shape) =>
  fc
    .tuple(
      fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
      fc.integer({ min: 0, max: shape.length }),
      fc.boolean(),
    )
    .map(([repeats, dropped, swap]) => {
      const other = shape.map((length, axis) => (repeats[axis] ? 1 : length)).slice(dropped);
      return swap ? [other, shape] : [shape, other];
    }),
);

type Compute = () => tf.Tensor | tf.Tensor[];
const prepared = <T>(arbitrary: fc.Arbitrary<T>, make: (drawn: T) => Compute): fc.Arbitrary<Compute> =>
  arbitrary.map(make);

const gradientOf = (f: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor, weights: Drawn): tf.Tensor =>
  tf.grad((input: tf.Tensor) => {
    const y = f(input);
    return tf.sum(tf.mul(y, spread(weights, y.shape, 3)));
  })(x);

const images = fc.record({
  ...{ drawn: seeds, weights: ordinary, batch: fc.integer({ min: 1, max: 2 }), height: fc.integer({ min: 3, max: 6 }) },
  ...{ width: fc.integer({ min: 3, max: 6 }), channels: fc.integer({ min: 1, max: 3 }) },
  ...{ filter: fc.integer({ min: 1, max: 3 }), outChannels: fc.integer({ min: 1, max: 3 }) },
  ...{ stride: fc.integer({ min: 1, max: 2 }), pad: fc.constantFrom('same' as const, 'valid' as const) },
});

export const cases: Record<string, fc.Arbitrary<Compute>> = {
  'functions of one value': prepared(fc.tuple(seeds, shapes(0, 3, 6, 0)), ([drawn, shape]) => () => {
    const x = spread(drawn, shape);
    const functions = [
      ...[tf.abs, tf.neg, tf.sign, tf.floor, tf.ceil, tf.round, tf.square, tf.sqrt, tf.rsqrt, tf.reciprocal, tf.exp],
      ...[tf.expm1, tf.log, tf.log1p, tf.sigmoid, tf.tanh, tf.erf, tf.softplus, tf.relu, tf.relu6, tf.elu, tf.selu],
      ...[tf.isNaN, tf.isInf, tf.isFinite, tf.zerosLike, tf.onesLike],
    ];
    return [
      ...functions.map((f) => f(x)),
      ...[tf.clipByValue(x, -0.75, 1e20), tf.step(x, 0.3), tf.leakyRelu(x, 0.1), tf.elu(x)],
    ];
  }),
  'functions of two values': prepared(fc.tuple(seeds, seeds, pairOfShapes), ([one, other, [left, right]]) => () => {
    const [a, b] = [spread(one, left!), spread(other, right!, 1)];
    const functions = [
      ...[tf.add, tf.sub, tf.mul, tf.div, tf.maximum, tf.minimum, tf.squaredDifference, tf.floorDiv, tf.mod],
      ...[tf.equal, tf.notEqual, tf.less, tf.lessEqual, tf.greater, tf.greaterEqual, tf.pow],
    ];
    return [...functions.map((f) => f(a, b)), tf.prelu(a, tf.reshape(b, b.shape)), tf.addN([a, a, tf.abs(a)])];
  }),
  'powers and remainders': prepared(
    fc.tuple(ordinary, fc.array(fc.constantFrom(0, 1, 2, 3, -1, -2, 7, 64, 65, 0.5, -0.5, 1.5, -64), { minLength: 2 })),
    ([drawn, exponents]) =>
      () => {
        const [a, b] = [
          spread(drawn, [30]),
          tf.tensor1d(Array.from({ length: 30 }, (_, i) => exponents[i % exponents.length]!)),
        ];
        return [tf.pow(a, b), tf.pow(tf.abs(a), b), tf.mod(a, b), tf.floorDiv(a, b)];
      },
  ),
  choices: prepared(fc.tuple(seeds, shapes(1, 4, 4)), ([drawn, shape]) => () => {
    const [a, b] = [spread(drawn, shape), spread(drawn, shape, 1)];
    const rows = tf.greater(spread(drawn, [shape[0]!], 2), 0);
    return [
      tf.where(tf.greater(a, b), a, b),
      tf.where(tf.cast(a, 'bool'), tf.cast(b, 'bool'), tf.cast(a, 'bool')),
      tf.where(tf.less(a, 0), tf.scalar(1), b),
      ...[tf.engine().runKernel('Select', { condition: rows, t: a, e: b }) as tf.Tensor],
      ...[tf.logicalNot(rows), tf.logicalAnd(tf.cast(a, 'bool'), tf.cast(b, 'bool')), tf.logicalOr(rows, rows)],
      ...[tf.any(tf.cast(a, 'bool')), tf.all(tf.cast(a, 'bool'), 0)],
    ];
  }),
  reductions: prepared(
    fc.tuple(seeds, shapes(1, 4, 5, 0), fc.constantFrom(1, 63, 64, 65, 130, 300), fc.nat(), fc.boolean()),
    ([drawn, rest, long, place, keepDims]) =>
      () => {
        const rank = rest.length;
        const x = spread(drawn, rank > 2 ? rest : rest.with(place % rank, long));
        const axes = [undefined, [place % rank], [0, rank - 1].filter((axis, i, all) => all.indexOf(axis) === i)];
        return axes.flatMap((axis) => [
          ...[
            tf.sum(x, axis, keepDims),
            tf.mean(x, axis),
            tf.max(x, axis),
            tf.min(x, axis, keepDims),
            tf.prod(x, axis),
          ],
          ...(axis?.length === 1 && !x.shape.includes(0) ? [tf.argMax(x, axis[0]), tf.argMin(x, axis[0])] : []),
        ]);
      },
  ),
  'sums of thousands': prepared(fc.tuple(seeds, fc.constantFrom(4095, 4096, 4097, 9000)), ([drawn, length]) => () => {
    const x = spread(drawn, [length, 2]);
    return [tf.sum(x, 0), tf.mean(x), tf.argMax(x, 0)];
  }),
  softmax: prepared(
    fc.tuple(seeds, ordinary, shapes(1, 3, 4), fc.integer({ min: 1, max: 70 })),
    ([hard, soft, rest, columns]) =>
      () =>
        [hard, soft].flatMap((drawn) => {
          const x = spread(drawn, [...rest, columns]);
          return [tf.softmax(x), tf.logSoftmax(x), tf.engine().runKernel('LogSoftmax', { logits: x }) as tf.Tensor];
        }),
  ),
  'matrix products': prepared(
    fc.record({
      ...{ drawn: seeds, m: fc.integer({ min: 1, max: 5 }), n: fc.integer({ min: 1, max: 5 }) },
      k: fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constantFrom(1023, 1024, 1025, 2048, 2049, 66_000)),
      ...{ transposeA: fc.boolean(), transposeB: fc.boolean(), batch: fc.integer({ min: 1, max: 3 }) },
      sides: fc.constantFrom('both', 'left', 'right', 'none'),
    }),
    ({ drawn, m, n, k: drawnK, transposeA, transposeB, batch, sides }) =>
      () => {
        const isBatch = sides !== 'none';
        const k = isBatch ? Math.min(drawnK, 2049) : drawnK;
        const left = isBatch ? [sides === 'right' ? 1 : batch] : [];
        const right = isBatch ? [sides === 'left' ? 1 : batch] : [];
        const a = spread(drawn, [...left, ...(transposeA ? [k, m] : [m, k])]);
        const b = spread(drawn, [...right, ...(transposeB ? [n, k] : [k, n])], 1);
        return tf.matMul(a, b, transposeA, transposeB);
      },
  ),
  'fused products': prepared(
    fc.tuple(seeds, fc.constantFrom('linear', 'relu', 'relu6', 'elu', 'sigmoid', 'leakyrelu', 'prelu')),
    ([drawn, activation]) =>
      () =>
        tf.fused.matMul({
          ...{ a: spread(drawn, [3, 9]) as tf.Tensor2D, b: spread(drawn, [9, 4], 1) as tf.Tensor2D },
          ...{ bias: spread(drawn, [4], 2), activation: activation as 'relu', leakyreluAlpha: 0.1 },
          preluActivationWeights: spread(drawn, [4], 3),
        }),
  ),
  'gradients of products': prepared(
    fc.tuple(seeds, ordinary, fc.integer({ min: 1, max: 40 })),
    ([drawn, weights, k]) =>
      () => {
        const [a, b] = [spread(drawn, [3, k]), spread(drawn, [k, 4], 1)];
        return [
          gradientOf((x) => tf.matMul(x as tf.Tensor2D, b as tf.Tensor2D), a, weights),
          gradientOf((x) => tf.matMul(a as tf.Tensor2D, x as tf.Tensor2D), b, weights),
        ];
      },
  ),
  convolutions: prepared(
    images,
    ({ drawn, weights, batch, height, width, channels, filter, outChannels, stride, pad }) =>
      () => {
        const x = spread(drawn, [batch, height, width, channels]) as tf.Tensor4D;
        const f = spread(drawn, [filter, filter, channels, outChannels], 1) as tf.Tensor4D;
        const apply = (input: tf.Tensor, by: tf.Tensor) =>
          tf.conv2d(input as tf.Tensor4D, by as tf.Tensor4D, stride, pad);
        return [
          apply(x, f),
          gradientOf((input) => apply(input, f), x, weights),
          gradientOf((input) => apply(x, input), f, weights),
          tf.conv2d(x, f, 1, 'same', 'NHWC', 2),
          tf.fused.conv2d({
            x,
            filter: f,
            strides: stride,
            pad,
            bias: spread(drawn, [outChannels], 2),
            activation: 'elu',
          }),
        ];
      },
  ),
  'depthwise convolutions': prepared(
    images,
    ({ drawn, weights, batch, height, width, channels, filter, outChannels, stride, pad }) =>
      () => {
        const x = spread(drawn, [batch, height, width, channels]) as tf.Tensor4D;
        const f = spread(drawn, [filter, filter, channels, outChannels], 1) as tf.Tensor4D;
        const apply = (input: tf.Tensor, by: tf.Tensor) =>
          tf.depthwiseConv2d(input as tf.Tensor4D, by as tf.Tensor4D, stride, pad);
        return [
          apply(x, f),
          gradientOf((input) => apply(input, f), x, weights),
          gradientOf((input) => apply(x, input), f, weights),
          tf.fused.depthwiseConv2d({ x, filter: f, strides: stride, pad, activation: 'relu' }),
        ];
      },
  ),
  pooling: prepared(images, ({ drawn, weights, batch, height, width, channels, filter, stride, pad }) => () => {
    // Whole numbers tie.
    const x = tf.round(spread(drawn, [batch, height, width, channels])) as tf.Tensor4D;
    const pools = [tf.maxPool, tf.avgPool].map(
      (pool) => (input: tf.Tensor) => pool(input as tf.Tensor4D, filter, stride, pad),
    );
    return pools.flatMap((pool) => [pool(x), gradientOf(pool, x, weights)]);
  }),
  'images made larger and normalised': prepared(images, ({ drawn, weights, batch, height, width, channels }) => () => {
    const x = spread(drawn, [batch, height, width, channels]) as tf.Tensor4D;
    const enlarge = (input: tf.Tensor) =>
      tf.image.resizeNearestNeighbor(input as tf.Tensor4D, [2 * height + 1, width + 2]);
    const each = (salt: number) => spread(weights, [channels], salt) as tf.Tensor1D;
    return [
      ...[enlarge(x), gradientOf(enlarge, x, weights)],
      tf.batchNorm(x, each(1), tf.abs(each(2)), each(3), each(4), 1e-3),
      tf.batchNorm(x, each(1), tf.abs(each(2))),
    ];
  }),
  'rows by their numbers': prepared(
    fc.tuple(seeds, shapes(1, 3, 4), fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 9 }), fc.nat()),
    ([drawn, shape, count, segments, place]) =>
      () => {
        const axis = place % shape.length;
        const x = spread(drawn, shape);
        const inside = whole(drawn, [count], shape[axis]!) as tf.Tensor1D;
        // Some are outside.
        const ids = tf.sub(whole(drawn, [count], segments + 2, 1), tf.scalar(1, 'int32')) as tf.Tensor1D;
        const rows = spread(drawn, [count, 3]) as tf.Tensor2D;
        return [
          ...[tf.gather(x, inside, axis), tf.gather(x, ids, axis), tf.unsortedSegmentSum(rows, ids, segments)],
          ...[
            tf.gather(tf.stack([rows, rows]), whole(drawn, [2, 5], count), 1, 1),
            tf.gather(ids, inside.shape[0] > 1 ? [0, 1] : [0]),
          ],
          tf.grad((table: tf.Tensor) => tf.sum(tf.gather(table, ids)))(spread(drawn, [segments, 2])),
        ];
      },
  ),
  'movement of data': prepared(
    fc.tuple(seeds, shapes(1, 6, 3), fc.nat(), fc.array(fc.nat(), { minLength: 6, maxLength: 6 })),
    ([drawn, shape, place, numbers]) =>
      () => {
        const rank = shape.length;
        const axis = place % rank;
        const x = spread(drawn, shape);
        const order = shape.map((_, i) => i).sort((a, b) => (numbers[a]! % 7) - (numbers[b]! % 7) || a - b);
        const begin = shape.map((length, i) => numbers[i]! % length);
        const size = shape.map((length, i) => length - begin[i]!);
        return [
          ...[tf.transpose(x, order), tf.slice(x, begin, size), tf.reverse(x, axis), tf.reshape(x, [-1, shape[0]!])],
          ...[
            tf.stridedSlice(
              x,
              begin,
              shape,
              shape.map((_, i) => 1 + (numbers[i]! % 2)),
            ),
            tf.stridedSlice(x, [0], [shape[0]!]),
          ],
          ...[
            // The exact backend repeats along three axes at most.
            rank < 4
              ? tf.tile(
                  x,
                  shape.map((_, i) => 1 + (numbers[i]! % 2)),
                )
              : tf.clone(x),
            tf.expandDims(x, axis),
            tf.clone(x),
          ],
          ...[
            tf.concat([x, x, tf.zeros(shape.with(axis, 0))], axis),
            tf.concat([x, tf.zeros(shape.with(axis, 0))], axis),
          ],
          tf.pad(
            x,
            shape.map((_, i) => [numbers[i]! % 2, place % 3]),
            0.3,
          ),
          ...[tf.stack([x, tf.neg(x)], place % (rank + 1)), ...tf.unstack(x, axis)],
          ...tf.split(x, [1, shape[axis]! - 1], axis),
          ...[tf.fill(shape, 2.7), tf.range(0, 2, 0.3), rank < 4 ? tf.broadcastTo(x, [2, ...shape]) : tf.clone(x)],
        ];
      },
  ),
  'integers and booleans': prepared(fc.tuple(ordinary, shapes(1, 3, 4)), ([drawn, shape]) => () => {
    const a = tf.sub(whole(drawn, shape, 900), tf.scalar(450, 'int32'));
    const b = whole(drawn, shape, 30, 1);
    const bool = tf.greater(a, b);
    return [
      ...[
        tf.add(a, b),
        tf.mul(a, b),
        tf.sub(a, b),
        tf.floorDiv(a, b),
        tf.mod(a, b),
        tf.maximum(a, b),
        tf.neg(a),
        tf.abs(a),
      ],
      ...[
        tf.equal(a, b),
        tf.sum(a),
        tf.max(a, 0),
        tf.argMax(a, 0),
        tf.transpose(a),
        tf.slice(
          a,
          shape.map(() => 0),
          shape,
        ),
      ],
      ...[
        tf.cast(a, 'float32'),
        tf.cast(tf.mul(spread(drawn, shape), 1e9), 'int32'),
        tf.cast(bool, 'float32'),
        tf.cast(bool, 'int32'),
      ],
      ...[
        tf.cast(a, 'bool'),
        tf.concat([a, b]),
        tf.stack([bool, bool]),
        tf.oneHot(b, 25),
        tf.oneHot(b, 25, 0.3, -2),
        tf.tile(
          bool,
          shape.map(() => 2),
        ),
      ],
      ...[
        tf.oneHot(b, 25, 1, 0, 'int32'),
        tf.zerosLike(a),
        tf.fill([3], 7, 'int32'),
        tf.range(0, 5, 1, 'int32'),
        tf.clone(bool),
      ],
    ];
  }),
  'gradients of functions': prepared(fc.tuple(seeds, ordinary), ([drawn, weights]) => () => {
    const x = spread(drawn, [17]);
    return [tf.sigmoid, tf.tanh, tf.elu, tf.relu, tf.softplus, tf.log, tf.sqrt, tf.erf, tf.selu, tf.abs].map((f) =>
      gradientOf(f, x, weights),
    );
  }),
  "optimizers' steps": prepared(fc.tuple(seeds, shapes(0, 2, 7)), ([drawn, shape]) => () => {
    const variables = [0, 1, 2].map((salt) => tf.variable(tf.abs(spread(drawn, shape, salt))));
    const [w, m, v] = variables as [tf.Variable, tf.Variable, tf.Variable];
    const gradients = spread(drawn, shape, 5);
    sgdStep(w, gradients, 0.013);
    momentumStep(w, m, gradients, 0.01, 0.9);
    const options = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weightDecay: 0.01 };
    const { coefficients } = adamCoefficients(options, initialBetaPowers);
    adamStep(w, m, v, gradients, coefficients);
    const results = variables.map((variable) => tf.clone(variable));
    for (const variable of variables) variable.dispose();
    return [...results, dropoutMask([3, 9], { seed: 0x123456789an, stream: 3, substream: 1, step: 7, rate: 0.4 })];
  }),
};
