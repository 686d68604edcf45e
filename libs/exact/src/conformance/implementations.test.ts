import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  type AnyArray,
  binaryOperations,
  comparisons,
  type ConvolutionGeometry,
  type ExactKernels,
  type PoolGeometry,
  reductions,
  unaryOperations,
} from '../kernels.ts';
import { createReferenceKernels } from '../reference/reference-kernels.ts';
import { nativeIsAvailable } from '../native/addon.ts';
import { NativeUnavailableError } from '../native/errors.ts';
import { createNativeKernels, nativeKernelNames } from '../native/native-kernels.ts';
import { wasmVariants } from '../wasm/module.ts';
import { createWasmKernels } from '../wasm/wasm-kernels.ts';
import { runVector, type Vector } from './vector.ts';

const reference = createReferenceKernels();
const vectorFolder = `${import.meta.dirname}/../../vectors`;
// The hashes of long runs lie there, too; they are no vectors.
const vectorFiles = readdirSync(vectorFolder).filter((name) => name.endsWith('.json'));

const options = { maximumBytes: 2 ** 28, sharedFromNanoseconds: 0 };

interface Implementation {
  name: string;
  /** The ones that differ most from all others are tried more often. */
  numRuns: number;
  create: () => ExactKernels;
}

const wasmImplementations: Implementation[] = wasmVariants.flatMap((variant) =>
  [
    { threads: 1, sharedMemory: true },
    { threads: 3, sharedMemory: true },
    { threads: 1, sharedMemory: false },
  ].map((setting) => ({
    name: `wasm ${variant}, ${String(setting.threads)} thread(s), ${setting.sharedMemory ? 'shared' : 'own'} memory`,
    numRuns: variant === 'relaxed' && setting.threads === 3 ? 40 : 6,
    create: () => createWasmKernels({ ...options, ...setting, variant }),
  })),
);

// What processors with other dot products of int8 are given; here by plain SIMD.
for (const packedFormat of ['int8Offset', 'int8'] as const)
  wasmImplementations.push({
    name: `wasm simd as for processors with ${packedFormat}, 2 threads`,
    numRuns: 6,
    create: () => createWasmKernels({ ...options, variant: 'simd', threads: 2, packedFormat }),
  });

/** A processor runs some of the native kernels; a machine without a compiler has none. */
const runsHere = (kernel: (typeof nativeKernelNames)[number]): boolean => {
  try {
    void createNativeKernels({ kernel }).dispose();
    return true;
  } catch (error) {
    if (error instanceof NativeUnavailableError) return false;
    throw error;
  }
};
const nativeImplementations: Implementation[] = nativeKernelNames
  .filter((kernel) => nativeIsAvailable() && runsHere(kernel))
  .map((kernel) => ({
    name: `native ${kernel}, 3 threads`,
    numRuns: 12,
    create: () => createNativeKernels({ ...options, threads: 3, kernel }),
  }));

if (!nativeIsAvailable()) it.skip('native kernels: not built, as no C++ compiler was found', () => undefined);

/** Values that quantise to ties, saturate, vanish, cancel or differ in magnitude; and ordinary ones. */
const hardValue = fc.oneof(
  { weight: 4, arbitrary: fc.float({ min: -4, max: 4, noNaN: true }) },
  { weight: 2, arbitrary: fc.constantFrom(0, 1, -1, 0.5, -0.5, 63.5, -64.5, 126.5, 127.5, -127.5, 2 ** -24) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(2 ** 100, -(2 ** 100), 2 ** -100, -(2 ** -100), 2 ** 60, 2 ** -60, 3 * 2 ** 98),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.float({ min: 1, max: 2, noNaN: true }), fc.integer({ min: -99, max: 99 }), fc.boolean())
      .map(([fraction, exponent, isNegative]) => (isNegative ? -1 : 1) * fraction * 2 ** exponent),
  },
);

/** Many values from few: long arrays would make generation the slowest part. */
function valuesOf(length: number, seed: readonly number[]): Float32Array {
  const values = Float32Array.from({ length }, (_, index) => {
    const mixed = Math.imul(index + 1, 0x9e3779b1) >>> 0;
    const value = seed[mixed % seed.length] as number;
    return mixed & 0x100 ? value * (1 + (mixed >>> 20) / 4096) : value;
  });
  reference.normalise(values, values);
  return values;
}
const seeds = fc.array(hardValue, { minLength: 3, maxLength: 40 });

const bits = (array: AnyArray): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength).slice();

/** Calls a kernel of both implementations on copies of the same arrays and compares all of them afterwards. */
function expectSame<Arrays extends Record<string, AnyArray>>(
  implementation: ExactKernels,
  arrays: Arrays,
  call: (kernels: ExactKernels, arrays: Arrays) => unknown,
): void {
  const copy = (kernels: ExactKernels): Arrays =>
    Object.fromEntries(
      Object.entries(arrays).map(([name, source]) => {
        const type = source.constructor.name.replace('Array', '').toLowerCase() as 'float32';
        const target = kernels.allocate(type, source.length);
        target.set(source);
        return [name, target];
      }),
    ) as Arrays;
  const expected = copy(reference);
  const actual = copy(implementation);
  const expectedResult = call(reference, expected);
  expect(call(implementation, actual)).toEqual(expectedResult);
  for (const name of Object.keys(arrays))
    if (Buffer.compare(bits(actual[name] as AnyArray), bits(expected[name] as AnyArray)) !== 0)
      expect(Array.from(actual[name] as AnyArray)).toEqual(Array.from(expected[name] as AnyArray));
  for (const array of Object.values(actual)) implementation.free(array);
}

const largeShapes = { square: [256, 256, 256], 'in two blocks': [300, 1288, 270], uneven: [260, 264, 520] } as const;
type LargeShape = keyof typeof largeShapes;

function largeProduct(kernels: ExactKernels, name: LargeShape): Uint8Array {
  const [m, k, n] = largeShapes[name];
  const [a, b, out] = [m * k, k * n, m * n].map((length) => kernels.allocate('float32', length)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  a.set(valuesOf(m * k, [0.3, -1, 2.5, 1e-3, -77]));
  b.set(valuesOf(k * n, [5, -0.1, 0.02, 3e4]));
  const layout = { batch: 1, m, k, n, transposeA: name === 'uneven', transposeB: false };
  kernels.matMul(out, a, b, { ...layout, aBatchStride: 0, bBatchStride: 0 });
  const result = bits(out);
  for (const array of [a, b, out]) kernels.free(array);
  return result;
}

let knownProducts: [LargeShape, Uint8Array][] | undefined;
/** By the scalar kernels, which the other tests compare with the reference: it would take minutes. */
function largeProducts(): [LargeShape, Uint8Array][] {
  const scalar = createWasmKernels({ variant: 'scalar', threads: 1 });
  knownProducts ??= (Object.keys(largeShapes) as LargeShape[]).map((name) => [name, largeProduct(scalar, name)]);
  return knownProducts;
}

const dimension = fc.integer({ min: 1, max: 70 });
const floats = (length: number): Float32Array => new Float32Array(length).fill(7);

describe.each([...wasmImplementations, ...nativeImplementations])('$name', ({ numRuns, create }) => {
  const implementation = create();
  const runs = { numRuns };
  afterAll(async () => {
    await implementation.dispose();
  });

  it.each(vectorFiles)('gives the committed bits: %s', (file) => {
    const vectors = JSON.parse(readFileSync(`${vectorFolder}/${file}`, 'utf8')) as Vector[];
    expect(vectors.map((vector) => runVector(implementation, vector)).filter((mismatch) => mismatch !== null)).toEqual(
      [],
    );
  });

  it('multiplies matrices of any shape, transposition and magnitude as the reference does', () => {
    const k = fc.oneof(dimension, fc.constantFrom(1023, 1024, 1025, 2050, 3100));
    fc.assert(
      fc.property(
        fc.record({ batch: fc.integer({ min: 1, max: 4 }), m: dimension, k, n: dimension }),
        fc.record({ transposeA: fc.boolean(), transposeB: fc.boolean(), repeats: fc.constantFrom('none', 'a', 'b') }),
        seeds,
        ({ batch, m, k: length, n }, { transposeA, transposeB, repeats }, seed) => {
          // The reference takes a microsecond for each product.
          fc.pre(batch * m * length * n < 3_000_000);
          const aBatchStride = repeats === 'a' ? 0 : m * length;
          const bBatchStride = repeats === 'b' ? 0 : length * n;
          const arrays = {
            out: floats(batch * m * n),
            a: valuesOf(m * length * (repeats === 'a' ? 1 : batch), seed),
            b: valuesOf(length * n * (repeats === 'b' ? 1 : batch), seed.toReversed()),
          };
          expectSame(implementation, arrays, (kernels, { out, a, b }) => {
            kernels.matMul(out, a, b, {
              ...{ batch, m, k: length, n, transposeA, transposeB, aBatchStride, bBatchStride },
            });
          });
        },
      ),
      runs,
    );
  });

  it('adds up more than 64 blocks of a contraction, and more than 4,096', () => {
    for (const length of [66_000, 140_000, 64 * 64 * 1024 + 5]) {
      if (length > 200_000 && numRuns < 40) continue;
      const arrays = {
        out: floats(2),
        a: valuesOf(length * 2, [1, -0.3, 2e-5, 77]),
        b: valuesOf(length, [0.1, -3, 9]),
      };
      expectSame(implementation, arrays, (kernels, { out, a, b }) => {
        kernels.matMul(out, a, b, {
          ...{ batch: 1, m: 2, k: length, n: 1, transposeA: false, transposeB: false },
          ...{ aBatchStride: 0, bBatchStride: 0 },
        });
      });
    }
  });

  it('multiplies large matrices as the scalar kernels do', () => {
    for (const [name, expected] of largeProducts())
      expect([name, Buffer.compare(largeProduct(implementation, name), expected)]).toEqual([name, 0]);
  });

  it.each(unaryOperations)('computes %s as the reference does', (operation) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), seeds, hardValue, hardValue, (length, seed, p, q) => {
        const [low, high] = valuesOf(2, [p, q, p]) as unknown as [number, number];
        expectSame(implementation, { out: floats(length), x: valuesOf(length, seed) }, (kernels, { out, x }) => {
          kernels.unary(operation, out, x, Math.min(low, high), Math.max(low, high));
        });
      }),
      runs,
    );
  });

  const layouts = fc
    .record({
      shape: fc.tuple(...Array.from({ length: 4 }, () => fc.integer({ min: 1, max: 9 }))),
      a: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean(), fc.boolean()),
      b: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean(), fc.boolean()),
      last: fc.constantFrom(1, 3, 4, 64, 67, 1000),
    })
    .map(({ shape, a, b, last }) => {
      const sizes = [...shape.slice(0, 3), last] as [number, number, number, number];
      const strides = (repeats: readonly boolean[]): [number, number, number, number] => {
        let step = 1;
        const found = [0, 0, 0, 0] as [number, number, number, number];
        for (let axis = 3; axis >= 0; axis--) {
          if (repeats[axis]) continue;
          found[axis] = step;
          step *= sizes[axis] as number;
        }
        return found;
      };
      const lengthOf = (repeats: readonly boolean[]): number =>
        sizes.reduce((product, size, axis) => product * (repeats[axis] ? 1 : size), 1);
      return {
        layout: { shape: sizes, aStrides: strides(a), bStrides: strides(b) },
        aLength: lengthOf(a),
        bLength: lengthOf(b),
        length: sizes.reduce((product, size) => product * size, 1),
      };
    });

  it.each(binaryOperations)('computes %s with any broadcasting as the reference does', (operation) => {
    fc.assert(
      fc.property(layouts, seeds, seeds, ({ layout, aLength, bLength, length }, aSeed, bSeed) => {
        const arrays = { out: floats(length), a: valuesOf(aLength, aSeed), b: valuesOf(bLength, bSeed) };
        expectSame(implementation, arrays, (kernels, { out, a, b }) => {
          kernels.binary(operation, out, a, b, layout);
        });
      }),
      runs,
    );
  });

  it.each(comparisons)('compares: %s', (operation) => {
    fc.assert(
      fc.property(layouts, seeds, ({ layout, aLength, bLength, length }, seed) => {
        const arrays = { out: new Uint8Array(length), a: valuesOf(aLength, seed), b: valuesOf(bLength, seed) };
        expectSame(implementation, arrays, (kernels, { out, a, b }) => {
          kernels.compare(operation, out, a, b, layout);
        });
      }),
      runs,
    );
  });

  const extents = fc.record({
    outer: fc.integer({ min: 1, max: 5 }),
    length: fc.oneof(fc.integer({ min: 0, max: 70 }), fc.constantFrom(127, 128, 129, 4095, 4097, 9000)),
    inner: fc.constantFrom(1, 2, 3, 4, 63, 64, 65, 130),
  });

  it.each(reductions)('reduces: %s', (operation) => {
    fc.assert(
      fc.property(extents, seeds, (extent, seed) => {
        fc.pre(extent.outer * extent.length * extent.inner < 200_000);
        const arrays = {
          out: floats(extent.outer * extent.inner),
          x: valuesOf(extent.outer * extent.length * extent.inner, seed),
        };
        expectSame(implementation, arrays, (kernels, { out, x }) => {
          kernels.reduce(operation, out, x, extent);
        });
      }),
      runs,
    );
  });

  it.each(['argMax', 'argMin'] as const)('finds the first: %s', (operation) => {
    fc.assert(
      fc.property(extents, seeds, (extent, seed) => {
        fc.pre(extent.outer * extent.length * extent.inner < 100_000);
        const arrays = {
          out: new Int32Array(extent.outer * extent.inner),
          x: valuesOf(extent.outer * extent.length * extent.inner, seed),
        };
        expectSame(implementation, arrays, (kernels, { out, x }) => {
          kernels.argReduce(operation, out, x, extent);
        });
      }),
      runs,
    );
  });

  it.each(['softmax', 'logSoftmax'] as const)('computes %s', (kernel) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 300 }), seeds, (rows, columns, seed) => {
        expectSame(
          implementation,
          { out: floats(rows * columns), x: valuesOf(rows * columns, seed) },
          (kernels, { out, x }) => {
            kernels[kernel](out, x, rows, columns);
          },
        );
      }),
      runs,
    );
  });

  const side = fc.integer({ min: 1, max: 9 });
  const step = fc.integer({ min: 1, max: 3 });
  const sizes = fc.record({
    ...{ batch: fc.integer({ min: 1, max: 3 }), inHeight: side, inWidth: side, outHeight: side, outWidth: side },
    ...{ filterHeight: fc.integer({ min: 1, max: 5 }), filterWidth: fc.integer({ min: 1, max: 5 }) },
    ...{ strideHeight: step, strideWidth: step, dilationHeight: step, dilationWidth: step },
    ...{ padTop: fc.integer({ min: -2, max: 4 }), padLeft: fc.integer({ min: -2, max: 4 }) },
  });

  it('convolves, and finds the gradient of the filter', () => {
    fc.assert(
      fc.property(
        sizes,
        fc.record({ inChannels: side, outChannels: fc.integer({ min: 1, max: 20 }) }),
        fc.record({ inputDilationHeight: step, inputDilationWidth: step }),
        seeds,
        (size, channels, dilation, seed) => {
          const g: ConvolutionGeometry = { ...size, ...channels, ...dilation };
          const arrays = {
            out: floats(g.batch * g.outHeight * g.outWidth * g.outChannels),
            gradient: floats(g.filterHeight * g.filterWidth * g.inChannels * g.outChannels),
            x: valuesOf(g.batch * g.inHeight * g.inWidth * g.inChannels, seed),
            filter: valuesOf(g.filterHeight * g.filterWidth * g.inChannels * g.outChannels, seed),
            dy: valuesOf(g.batch * g.outHeight * g.outWidth * g.outChannels, seed),
          };
          expectSame(implementation, arrays, (kernels, { out, gradient, x, filter, dy }) => {
            kernels.conv2d(out, x, filter, g);
            kernels.conv2dFilterGradient(gradient, x, dy, g);
          });
        },
      ),
      runs,
    );
  });

  it('reads no other place of the image, however far its windows step and reach', () => {
    const far = fc.oneof(fc.constantFrom(1, 2, 3), fc.constantFrom(2 ** 20, 2 ** 26, (2 ** 28 - 1) / 3, 2 ** 28));
    const farSizes = fc
      .record({
        ...{ batch: fc.integer({ min: 1, max: 2 }), inHeight: side, inWidth: side },
        ...{ outHeight: fc.integer({ min: 1, max: 2 }), outWidth: fc.integer({ min: 1, max: 4 }) },
        ...{ filterHeight: fc.integer({ min: 1, max: 4 }), filterWidth: fc.integer({ min: 1, max: 4 }) },
        ...{ strideHeight: far, strideWidth: far, dilationHeight: far, dilationWidth: far },
        ...{
          padTop: fc.integer({ min: -(2 ** 28), max: 2 ** 28 }),
          padLeft: fc.constantFrom(-(2 ** 28), 0, 1, 2 ** 28),
        },
      })
      .map((size) => ({ ...size, padTop: size.strideHeight > 3 ? size.padTop : size.padTop % 4 }));
    fc.assert(
      fc.property(farSizes, fc.constantFrom(1, 2), far, far, seeds, (size, channels, spreadY, spreadX, seed) => {
        const dilation = { inputDilationHeight: spreadY, inputDilationWidth: spreadX };
        const g: ConvolutionGeometry & PoolGeometry = {
          ...{ ...size, ...dilation, channels, inChannels: channels, outChannels: 3 },
        };
        const reach = (sizeOf: number, by: number): boolean => (sizeOf - 1) * by <= 2 ** 28;
        fc.pre(reach(g.outHeight, g.strideHeight) && reach(g.outWidth, g.strideWidth));
        fc.pre(reach(g.filterHeight, g.dilationHeight) && reach(g.filterWidth, g.dilationWidth));
        const [inside, pixels] = [g.batch * g.inHeight * g.inWidth * channels, g.batch * g.outHeight * g.outWidth];
        const weights = g.filterHeight * g.filterWidth * channels * 3;
        const arrays = {
          ...{ out: floats(pixels * 3), gradient: floats(weights), max: floats(pixels * channels) },
          ...{ avg: floats(pixels * channels), maxGradient: floats(inside), avgGradient: floats(inside) },
          ...{ x: valuesOf(inside, seed), filter: valuesOf(weights, seed), dy: valuesOf(pixels * 3, seed) },
        };
        expectSame(
          implementation,
          arrays,
          (kernels, { out, gradient, max, avg, maxGradient, avgGradient, x, ...rest }) => {
            kernels.conv2d(out, x, rest.filter, g);
            kernels.conv2dFilterGradient(gradient, x, rest.dy, g);
            kernels.maxPool(max, x, g);
            kernels.avgPool(avg, x, g);
            kernels.maxPoolGradient(maxGradient, rest.dy.subarray(0, max.length), x, g);
            kernels.avgPoolGradient(avgGradient, rest.dy.subarray(0, avg.length), g);
          },
        );
      }),
      { numRuns: numRuns * 3 },
    );
  });

  it.each([
    { inChannels: 3, batch: 5 },
    { inChannels: 1, batch: 10 },
  ])('convolves over more than one block of patches: $inChannels channel(s)', ({ inChannels, batch }) => {
    const g: ConvolutionGeometry = {
      ...{ batch, inHeight: 28, inWidth: 28, inChannels, outHeight: 28, outWidth: 28, outChannels: 9 },
      ...{ filterHeight: 3, filterWidth: 3, strideHeight: 1, strideWidth: 1, dilationHeight: 1, dilationWidth: 1 },
      ...{ inputDilationHeight: 1, inputDilationWidth: 1, padTop: 1, padLeft: 1 },
    };
    const arrays = {
      out: floats(batch * 784 * 9),
      gradient: floats(9 * inChannels * 9),
      x: valuesOf(batch * 784 * inChannels, [0.5, -3, 1e-3, 0, 17]),
      filter: valuesOf(9 * inChannels * 9, [1, -0.02, 0.3]),
      dy: valuesOf(batch * 784 * 9, [1e-6, -2e-4, 3e-5]),
    };
    expectSame(implementation, arrays, (kernels, { out, gradient, x, filter, dy }) => {
      kernels.conv2d(out, x, filter, g);
      kernels.conv2dFilterGradient(gradient, x, dy, g);
    });
  });

  it.each([-1, 0, 1])('gives nothing to what no window sees: windows side by side from %i before the image', (pad) => {
    const g: PoolGeometry = {
      ...{ batch: 2, channels: 5, inHeight: 6, inWidth: 7, outHeight: 3, outWidth: 3 },
      ...{ filterHeight: 2, filterWidth: 2, strideHeight: 2, strideWidth: 2, dilationHeight: 1, dilationWidth: 1 },
      ...{ padTop: pad, padLeft: pad },
    };
    const arrays = {
      ...{ maxGradient: floats(2 * 42 * 5), avgGradient: floats(2 * 42 * 5) },
      ...{ x: valuesOf(2 * 42 * 5, [1, -2, 0.5, 0]), dy: valuesOf(2 * 9 * 5, [3, -0.1]) },
    };
    expectSame(implementation, arrays, (kernels, { maxGradient, avgGradient, x, dy }) => {
      kernels.maxPoolGradient(maxGradient, dy, x, g);
      kernels.avgPoolGradient(avgGradient, dy, g);
    });
  });

  it('pools, forward and backward', () => {
    fc.assert(
      fc.property(sizes, fc.constantFrom(1, 3, 4, 66), seeds, (size, channels, seed) => {
        const g: PoolGeometry = { ...size, channels };
        const inside = g.batch * g.inHeight * g.inWidth * channels;
        const outside = g.batch * g.outHeight * g.outWidth * channels;
        const arrays = {
          ...{ max: floats(outside), avg: floats(outside), maxGradient: floats(inside), avgGradient: floats(inside) },
          ...{ x: valuesOf(inside, seed), dy: valuesOf(outside, seed) },
        };
        expectSame(implementation, arrays, (kernels, { max, avg, maxGradient, avgGradient, x, dy }) => {
          kernels.maxPool(max, x, g);
          kernels.avgPool(avg, x, g);
          kernels.maxPoolGradient(maxGradient, dy, x, g);
          kernels.avgPoolGradient(avgGradient, dy, g);
        });
      }),
      runs,
    );
  });

  it('gathers rows and adds them up by segment', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -2, max: 12 }), { minLength: 1, maxLength: 300 }),
        fc.constantFrom(1, 3, 64, 65, 200),
        seeds,
        (indices, width, seed) => {
          const arrays = {
            gathered: floats(indices.length * width),
            summed: floats(10 * width),
            table: valuesOf(10 * width, seed),
            rows: valuesOf(indices.length * width, seed),
            indices: Int32Array.from(indices),
          };
          expectSame(implementation, arrays, (kernels, { gathered, summed, table, rows, indices: list }) => {
            kernels.gatherRows(gathered, table, list, 10, width);
            kernels.segmentSum(summed, rows, list, 10, width);
          });
        },
      ),
      runs,
    );
  });

  it('moves elements along any strides without changing a bit', () => {
    fc.assert(
      fc.property(
        fc.tuple(...Array.from({ length: 6 }, () => fc.integer({ min: 1, max: 6 }))),
        fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 6 }),
        fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 6 }),
        fc.tuple(...Array.from({ length: 6 }, () => fc.constantFrom('forwards', 'backwards', 'repeats'))),
        (shape, outOrder, xOrder, directions) => {
          const total = shape.reduce((product, size) => product * size, 1);
          const denseStrides = (order: number[]): number[] => {
            const strides = [0, 0, 0, 0, 0, 0];
            let stride = 1;
            for (const axis of order) {
              strides[axis] = stride;
              stride *= shape[axis] as number;
            }
            return strides;
          };
          let xOffset = 0;
          const xStrides = denseStrides(xOrder).map((stride, axis) => {
            if (directions[axis] === 'repeats') return 0;
            if (directions[axis] === 'forwards') return stride;
            xOffset += stride * ((shape[axis] as number) - 1);
            return -stride;
          });
          const x = Int32Array.from({ length: total }, (_, index) => Math.imul(index, 0x9e3779b1) | 0);
          expectSame(implementation, { out: new Int32Array(total + 3), x }, (kernels, { out, x: from }) => {
            kernels.copyStrided(out, from, {
              ...{ shape: shape as never, outOffset: 2, outStrides: denseStrides(outOrder) as never },
              ...{ xOffset, xStrides: xStrides as never },
            });
          });
        },
      ),
      runs,
    );
  });

  it('normalises any bits and counts what it changed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200_000 }), fc.integer(), (length, seed) => {
        const words = Int32Array.from({ length }, (_, index) => Math.imul(index ^ seed, 0x9e3779b1));
        const x = new Float32Array(words.buffer);
        // NaNs would not survive a copy as floats on every engine, so the arrays are copied as integers.
        expectSame(implementation, { out: floats(length), words }, (kernels, { out, words: list }) => {
          return kernels.normalise(out, new Float32Array(list.buffer, list.byteOffset, x.length));
        });
      }),
      { numRuns: 5 },
    );
  });

  it('draws dropout masks and steps weights as the reference does', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), seeds, fc.integer({ min: 0, max: 65_536 }), (length, seed, t) => {
        const coefficients = { towardsGradient: 0.1, towardsSquare: 0.001, step: 0.003, shift: 1e-7, decay: 0.999 };
        const rounded = Object.fromEntries(
          Object.entries(coefficients).map(([name, value]) => [name, Math.fround(value)]),
        ) as unknown as typeof coefficients;
        const arrays = {
          ...{ mask: floats(length), w: valuesOf(length, seed), g: valuesOf(length, seed.toReversed()) },
          ...{ m: valuesOf(length, seed), v: valuesOf(length, seed).map(Math.abs) },
        };
        expectSame(implementation, arrays, (kernels, { mask, w, g, m, v }) => {
          kernels.dropoutMask(mask, {
            ...{ seedLow: 0x9e3779b9, seedHigh: length, step: 5, substream: 2, stream: 0xffffffff },
            ...{ threshold: t, keepScale: Math.fround(1.1) },
          });
          kernels.sgdStep(w, g, Math.fround(0.1));
          kernels.momentumStep(w, m, g, Math.fround(0.01), Math.fround(0.9));
          kernels.adamStep(w, m, v, g, rounded);
        });
      }),
      runs,
    );
  });
});
