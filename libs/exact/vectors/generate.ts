// Writes the vectors from the reference: node vectors/generate.ts (in libs/exact).
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { type Expected, toBytes, type Vector, type VectorArgument, withArguments } from '../src/conformance/vector.ts';
import {
  type AnyArray,
  binaryOperations,
  comparisons,
  type ConvolutionGeometry,
  type MatMulShape,
  type PoolGeometry,
  reductions,
  unaryOperations,
} from '../src/kernels.ts';
import { createReferenceKernels } from '../src/reference/reference-kernels.ts';
import { foreignBits, hardValues } from '../test/values.ts';

type Draft = Omit<Vector, 'expected'>;

const longestBytes = 4_096;
const base64 = (array: AnyArray): string => Buffer.from(toBytes(array)).toString('base64');
const given = (values: Iterable<number>): VectorArgument => ({
  in: 'float32',
  bytes: base64(Float32Array.from(values)),
});
const changed = (values: Iterable<number>): VectorArgument => ({
  inout: 'float32',
  bytes: base64(Float32Array.from(values)),
});
const integers = (values: Iterable<number>): VectorArgument => ({
  in: 'int32',
  bytes: base64(Int32Array.from(values)),
});
const bytes = (values: Iterable<number>): VectorArgument => ({ in: 'uint8', bytes: base64(Uint8Array.from(values)) });
const small = (values: Iterable<number>): VectorArgument => ({ in: 'int8', bytes: base64(Int8Array.from(values)) });
let seed = 0;
const drawn = (length: number, low = -8, high = 2): VectorArgument => ({
  in: 'float32',
  floats: { seed: ++seed, length, low, high },
});
const drawnIntegers = (length: number, low: number, high: number): VectorArgument => ({
  in: 'int32',
  integers: { seed: ++seed, length, low, high },
});
const out = (length: number, type: 'float32' | 'int32' | 'uint8' | 'int8' = 'float32'): VectorArgument => ({
  out: type,
  length,
});
const value = (content: unknown): VectorArgument => ({ value: content });

const parametersOf = (operation: string): [number, number] =>
  operation === 'clip' ? [-0.75, 6] : operation === 'leakyRelu' ? [Math.fround(0.2), 0] : [0.5, 0];

function unary(name: string, input: (operation: string) => VectorArgument, length: number): Draft[] {
  return unaryOperations.map((operation) => ({
    name: `${operation} of ${name}`,
    kernel: 'unary',
    arguments: [value(operation), out(length), input(operation), ...parametersOf(operation).map(value)],
  }));
}

const third = hardValues.filter((_, i) => i % 3 === 0);
const pairs = third.flatMap((a) => third.map((b): [number, number] => [a, b]));
const everyPair = { shape: [1, 1, 1, pairs.length], aStrides: [0, 0, 0, 1], bStrides: [0, 0, 0, 1] };

function binary(name: string, a: VectorArgument, b: VectorArgument, length: number, layout: unknown): Draft[] {
  return [
    ...binaryOperations.map((operation): Draft => ({
      name: `${operation} of ${name}`,
      kernel: 'binary',
      arguments: [value(operation), out(length), a, b, value(layout)],
    })),
    ...comparisons.map((operation): Draft => ({
      name: `${operation} of ${name}`,
      kernel: 'compare',
      arguments: [value(operation), out(length, 'uint8'), a, b, value(layout)],
    })),
  ];
}

function reduction(outer: number, length: number, inner: number, low = -8, high = 2): Draft[] {
  const name = `[${String(outer)}, ${String(length)}, ${String(inner)}], exponents ${String(low)} to ${String(high)}`;
  const input = drawn(outer * length * inner, low, high);
  const extent = value({ outer, length, inner });
  return [
    ...reductions.map((operation): Draft => ({
      name: `${operation} over ${name}`,
      kernel: 'reduce',
      arguments: [value(operation), out(outer * inner), input, extent],
    })),
    ...(['argMax', 'argMin'] as const).map((operation): Draft => ({
      name: `${operation} over ${name}`,
      kernel: 'argReduce',
      arguments: [value(operation), out(outer * inner, 'int32'), input, extent],
    })),
  ];
}

function matMul(m: number, k: number, n: number, change: Partial<MatMulShape> = {}, low = -8, high = 2): Draft {
  const shape: MatMulShape = {
    ...{ batch: 1, m, k, n, transposeA: false, transposeB: false, aBatchStride: 0, bBatchStride: 0, ...change },
  };
  const size = (stride: number, one: number): number => (stride === 0 ? one : stride * shape.batch);
  return {
    name: `matMul ${String(m)} x ${String(k)} x ${String(n)} ${JSON.stringify(change)}, exponents ${String(low)} to ${String(high)}`,
    kernel: 'matMul',
    arguments: [
      out(shape.batch * m * n),
      drawn(size(shape.aBatchStride, m * k), low, high),
      drawn(size(shape.bBatchStride, k * n), low, high),
      value(shape),
    ],
  };
}

function steps(count: number, length: number, x: VectorArgument): Draft[] {
  const layout = { count, length, vectorStride: length, elementStride: 1 };
  const blocks = Math.ceil(length / 1024);
  const exponents = integers(Array.from({ length: count * blocks }, (_, i) => (i % 5) - 2));
  return [
    {
      name: `blockExponents of ${String(count)} vectors of ${String(length)}`,
      kernel: 'blockExponents',
      arguments: [out(count * blocks, 'int32'), x, value(layout)],
    },
    ...(['left', 'right'] as const).map((operand): Draft => ({
      name: `quantise ${String(count)} ${operand} vectors of ${String(length)}`,
      kernel: 'quantise',
      arguments: [out(count * length, 'int8'), x, exponents, value(layout), value(operand)],
    })),
  ];
}

const convolution = (change: Partial<ConvolutionGeometry>): ConvolutionGeometry => ({
  ...{ batch: 2, inHeight: 6, inWidth: 7, inChannels: 3, outHeight: 4, outWidth: 6, outChannels: 5 },
  ...{ filterHeight: 3, filterWidth: 2, strideHeight: 1, strideWidth: 1, dilationHeight: 1, dilationWidth: 1 },
  ...{ inputDilationHeight: 1, inputDilationWidth: 1, padTop: 0, padLeft: 0 },
  ...change,
});

function convolutions(name: string, change: Partial<ConvolutionGeometry>): Draft[] {
  const g = convolution(change);
  const x = drawn(g.batch * g.inHeight * g.inWidth * g.inChannels);
  const filterSize = g.filterHeight * g.filterWidth * g.inChannels * g.outChannels;
  const outSize = g.batch * g.outHeight * g.outWidth * g.outChannels;
  return [
    { name: `conv2d ${name}`, kernel: 'conv2d', arguments: [out(outSize), x, drawn(filterSize), value(g)] },
    {
      name: `conv2dFilterGradient ${name}`,
      kernel: 'conv2dFilterGradient',
      arguments: [out(filterSize), x, drawn(outSize), value(g)],
    },
  ];
}

function pools(name: string, change: Partial<PoolGeometry>): Draft[] {
  const g: PoolGeometry = {
    ...{ batch: 2, channels: 3, inHeight: 6, inWidth: 5, outHeight: 3, outWidth: 2, filterHeight: 2, filterWidth: 2 },
    ...{ strideHeight: 2, strideWidth: 2, dilationHeight: 1, dilationWidth: 1, padTop: 0, padLeft: 0 },
    ...change,
  };
  const size = g.batch * g.inHeight * g.inWidth * g.channels;
  const pooled = g.batch * g.outHeight * g.outWidth * g.channels;
  // Few exponents and integers of few bits: windows with equal values occur.
  const x = given(Array.from({ length: size }, (_, i) => ((i * 7919) % 11) - 5));
  const dy = drawn(pooled);
  const geometry = value(g);
  return [
    { name: `maxPool ${name}`, kernel: 'maxPool', arguments: [out(pooled), x, geometry] },
    { name: `maxPoolGradient ${name}`, kernel: 'maxPoolGradient', arguments: [out(size), dy, x, geometry] },
    { name: `avgPool ${name}`, kernel: 'avgPool', arguments: [out(pooled), x, geometry] },
    { name: `avgPoolGradient ${name}`, kernel: 'avgPoolGradient', arguments: [out(size), dy, geometry] },
  ];
}

const overlapping = {
  filterHeight: 3,
  filterWidth: 3,
  strideHeight: 1,
  strideWidth: 1,
  outHeight: 6,
  outWidth: 5,
  padTop: 1,
  padLeft: 1,
};

const rows = (name: string, count: number, table: number, width: number): Draft[] => {
  const ids = drawnIntegers(count, -1, table);
  return [
    {
      name: `gatherRows ${name}`,
      kernel: 'gatherRows',
      arguments: [out(count * width), drawn(table * width), ids, value(table), value(width)],
    },
    {
      name: `segmentSum ${name}`,
      kernel: 'segmentSum',
      arguments: [out(table * width), drawn(count * width), ids, value(table), value(width)],
    },
  ];
};

const softmaxes = (name: string, x: VectorArgument, count: number, columns: number): Draft[] =>
  (['softmax', 'logSoftmax'] as const).map((kernel) => ({
    name: `${kernel} of ${name}`,
    kernel,
    arguments: [out(count * columns), x, value(count), value(columns)],
  }));

const copies: Draft[] = [
  {
    name: 'copyStrided turns [3, 4, 5] round',
    kernel: 'copyStrided',
    arguments: [
      out(60),
      drawn(60),
      value({
        ...{ shape: [1, 1, 1, 5, 4, 3], outOffset: 0, outStrides: [0, 0, 0, 12, 3, 1] },
        ...{ xOffset: 0, xStrides: [0, 0, 0, 1, 5, 20] },
      }),
    ],
  },
  {
    name: 'copyStrided repeats, reverses, leaves gaps and keeps foreign bits',
    kernel: 'copyStrided',
    arguments: [
      out(64, 'int32'),
      integers(foreignBits),
      value({
        ...{ shape: [1, 1, 2, 3, 2, 3], outOffset: 1, outStrides: [0, 0, 30, 9, 5, 1] },
        ...{ xOffset: 9, xStrides: [0, 0, 4, 0, -6, 1] },
      }),
    ],
  },
];

const mask = {
  seedLow: 0x9e3779b9,
  seedHigh: 7,
  step: 3,
  substream: 2,
  stream: 3,
  threshold: 19_661,
  keepScale: Math.fround(1 / 0.7),
};
const masks: Draft[] = [1, 8, 1001].map((length) => ({
  name: `dropoutMask of ${String(length)}`,
  kernel: 'dropoutMask',
  arguments: [out(length), value(mask)],
}));

const weights = [...hardValues];
const moved = (shift: number): number[] => weights.map((_, i) => weights[(i + shift) % weights.length] as number);
const optimizers: Draft[] = [
  { name: 'sgdStep', kernel: 'sgdStep', arguments: [changed(weights), given(moved(3)), value(Math.fround(0.1))] },
  {
    name: 'momentumStep',
    kernel: 'momentumStep',
    arguments: [changed(weights), changed(moved(5)), given(moved(9)), value(Math.fround(0.1)), value(Math.fround(0.9))],
  },
  {
    name: 'adamStep',
    kernel: 'adamStep',
    arguments: [
      ...[changed(weights), changed(moved(5)), changed(moved(7).map(Math.abs)), given(moved(9))],
      value({
        ...{ towardsGradient: Math.fround(0.1), towardsSquare: Math.fround(0.001), step: Math.fround(0.003) },
        ...{ shift: Math.fround(1e-7), decay: Math.fround(0.999) },
      }),
    ],
  },
];

const zeroRows = Float32Array.from({ length: 6 * 40 }, (_, i) => (i < 40 || i >= 200 ? 0 : ((i * 31) % 17) - 8));
const ties = Array.from({ length: 256 }, (_, i) => (i - 128 + 0.5) / 64);
const startup = Float32Array.from(hardValues);

const files: Record<string, Draft[]> = {
  elementwise: [
    {
      name: 'normalise of bits that are no values',
      kernel: 'normalise',
      arguments: [out(foreignBits.length), { in: 'float32', bytes: base64(Int32Array.from(foreignBits)) }],
    },
    ...unary('hard values', () => given(hardValues), hardValues.length),
    ...unary('2,003 values near 1', () => drawn(2_003, -6, 3), 2_003),
    ...unary('20,001 values of every magnitude', () => drawn(20_001, -100, 99), 20_001),
    ...binary('hard pairs', given(pairs.map(([a]) => a)), given(pairs.map(([, b]) => b)), pairs.length, everyPair),
    ...binary('5,001 pairs', drawn(5_001, -40, 40), drawn(5_001, -40, 40), 5_001, {
      ...{ shape: [1, 1, 1, 5_001], aStrides: [0, 0, 0, 1], bStrides: [0, 0, 0, 1] },
    }),
    ...binary('[3, 1, 5, 7] and [4, 1, 7]', drawn(105), drawn(28), 420, {
      ...{ shape: [3, 4, 5, 7], aStrides: [35, 0, 7, 1], bStrides: [0, 7, 0, 1] },
    }),
    ...binary('rows of 6 and a column', drawn(54), drawn(9), 54, {
      ...{ shape: [1, 1, 9, 6], aStrides: [0, 0, 6, 1], bStrides: [0, 0, 1, 0] },
    }),
    {
      name: 'select',
      kernel: 'select',
      arguments: [
        out(hardValues.length),
        bytes(hardValues.map((_, i) => (i % 3) * 100)),
        given(hardValues),
        given(moved(1)),
      ],
    },
  ],
  reductions: [
    ...reduction(1, 1, 1),
    ...reduction(3, 3, 5),
    ...reduction(2, 63, 3),
    ...reduction(2, 64, 4),
    ...reduction(2, 65, 1),
    ...reduction(1, 784, 10, -20, 20),
    ...reduction(5, 4_097, 1, -3, 3),
    ...reduction(1, 4_161, 2, -100, 99),
    ...reduction(1, 100, 64, 90, 99),
    ...reduction(1, 300_001, 1, -4, 4),
    ...reduction(2, 0, 3),
    ...softmaxes('10 classes', drawn(70, -3, 3), 7, 10),
    ...softmaxes('1,000 classes', drawn(3_000, -8, 5), 3, 1_000),
    ...softmaxes('hard values', given(hardValues), 1, hardValues.length),
    ...softmaxes('one class', drawn(5, -3, 3), 5, 1),
  ],
  contractions: [
    ...[1, 2, 3, 7, 31, 64, 127, 1_023, 1_024, 1_025, 2_048, 3_000].map((k) => matMul(3, k, 5)),
    matMul(1, 65_537, 1),
    matMul(2, 140_000, 1),
    matMul(17, 33, 19, { transposeA: true }),
    matMul(17, 33, 19, { transposeB: true }),
    matMul(33, 1_100, 20, { transposeA: true, transposeB: true }),
    matMul(64, 784, 256),
    matMul(100, 129, 130),
    matMul(4, 20, 6, { batch: 3, aBatchStride: 80, bBatchStride: 120 }),
    matMul(4, 20, 6, { batch: 3, aBatchStride: 80, bBatchStride: 0, transposeB: true }),
    matMul(4, 20, 6, { batch: 3, aBatchStride: 0, bBatchStride: 120, transposeA: true }),
    matMul(9, 50, 9, {}, -100, 99),
    matMul(9, 50, 9, {}, -60, -45),
    matMul(9, 50, 9, {}, 45, 60),
    {
      name: 'matMul with rows of zeros',
      kernel: 'matMul',
      arguments: [
        ...[out(36), given(zeroRows), given(zeroRows)],
        value({ batch: 1, m: 6, k: 40, n: 6, transposeA: false, transposeB: true, aBatchStride: 0, bBatchStride: 0 }),
      ],
    },
    ...steps(1, ties.length, given(ties)),
    ...steps(1, hardValues.length, given(hardValues)),
    ...steps(5, 1_030, drawn(5 * 1_030)),
    {
      name: 'contract',
      kernel: 'contract',
      arguments: [
        out(2 * 3 * 4, 'int32'),
        small(Array.from({ length: 3 * 1_100 }, (_, i) => ((i * 97) % 255) - 127)),
        small(Array.from({ length: 4 * 1_100 }, (_, i) => ((i * 61) % 255) - 127)),
        ...[3, 1_100, 4].map(value),
      ],
    },
    {
      name: 'rescale',
      kernel: 'rescale',
      arguments: [
        out(6),
        integers([1, -1, 0, 16_516_096, -16_516_096, 5, 7, -9, 12_345, 1, -1, 3]),
        integers([-99, 101, 3, 4]),
        integers([-99, 7, 101, 0, 20, -20]),
        ...[2, 3, 2].map(value),
      ],
    },
  ],
  windows: [
    ...convolutions('plain', {}),
    ...convolutions('padded with strides', {
      ...{ strideHeight: 2, strideWidth: 3, outHeight: 4, outWidth: 3, padTop: 2, padLeft: 1 },
    }),
    ...convolutions('dilated', { dilationHeight: 2, dilationWidth: 3, outHeight: 2, outWidth: 4 }),
    ...convolutions('of a spread input', {
      ...{ inputDilationHeight: 2, inputDilationWidth: 2, outHeight: 11, outWidth: 13, padTop: 1, padLeft: 0 },
    }),
    ...convolutions('with negative padding', { padTop: -1, padLeft: -2, outHeight: 3, outWidth: 4 }),
    ...convolutions('of one channel, 1,152 positions', {
      ...{ inChannels: 1, outChannels: 8, inHeight: 24, inWidth: 24, outHeight: 24, outWidth: 24 },
      ...{ filterHeight: 3, filterWidth: 3, padTop: 1, padLeft: 1 },
    }),
    ...pools('2 x 2', {}),
    ...pools('overlapping and padded', overlapping),
    ...pools('outside', { padTop: 1, padLeft: 1, outHeight: 4, outWidth: 3 }),
    ...pools('dilated', {
      dilationHeight: 2,
      dilationWidth: 2,
      strideHeight: 1,
      strideWidth: 1,
      outHeight: 4,
      outWidth: 3,
    }),
  ],
  others: [
    ...rows('of 3', 50, 7, 3),
    ...rows('with many members', 3_000, 5, 2),
    ...rows('of width 1', 9, 4, 1),
    ...copies,
    ...masks,
    ...optimizers,
  ],
};

const startupDrafts: Draft[] = [
  (files['elementwise'] as Draft[])[0] as Draft,
  ...unary('hard values', () => given(startup), startup.length),
  ...binary('pairs', given(hardValues), given(moved(11)), hardValues.length, {
    ...{ shape: [1, 1, 1, hardValues.length], aStrides: [0, 0, 0, 1], bStrides: [0, 0, 0, 1] },
  }),
  ...reduction(2, 200, 2, -20, 20),
  ...softmaxes('10 classes', drawn(20, -3, 3), 2, 10),
  matMul(5, 1_100, 6),
  matMul(6, 37, 5, { transposeA: true, transposeB: true }, -60, -40),
  ...convolutions('plain', { batch: 1, inHeight: 3, inWidth: 4, outHeight: 1, outWidth: 3 }),
  ...pools('overlapping', { ...overlapping, batch: 1 }),
  ...rows('of 3', 20, 4, 3),
  ...copies,
  ...masks.slice(0, 2),
  ...optimizers,
];

const reference = createReferenceKernels();

function complete(draft: Draft): Vector {
  const expected = withArguments(reference, draft, (results) =>
    results.map((result): Expected => {
      const content = toBytes(result);
      if (content.length <= longestBytes) return { bytes: Buffer.from(content).toString('base64') };
      return { sha256: createHash('sha256').update(content).digest('hex') };
    }),
  );
  return { ...draft, expected };
}

const lines = (vectors: Vector[]): string => vectors.map((vector) => JSON.stringify(vector)).join(',\n');
for (const [name, drafts] of Object.entries(files))
  writeFileSync(`${import.meta.dirname}/${name}.json`, `[\n${lines(drafts.map(complete))}\n]\n`);
writeFileSync(
  `${import.meta.dirname}/../src/conformance/startup-vectors.ts`,
  `// Written by vectors/generate.ts.\nimport type { Vector } from './vector.ts';\n\n/** What every machine must get right before it trains. */\nexport const startupVectors: readonly Vector[] = [\n${lines(startupDrafts.map(complete))},\n];\n`,
);
