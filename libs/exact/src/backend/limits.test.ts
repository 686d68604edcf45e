import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { UnsupportedArgumentError } from '../errors.ts';
import { createNativeKernels } from '../native/native-kernels.ts';
import { loadAddon, nativeIsAvailable } from '../native/addon.ts';
import { exactBackend, tf, use } from '../../test/backends.ts';
import type { ExactBackend } from './exact-backend.ts';
import { moveElements, type Movement } from './movement.ts';
import { registerExactBackend } from './register.ts';

// What comes from a hostile Program: every backend refuses the same, or gives the same bits, and reads nothing else.

let native: ExactBackend | null = null;
const exactNative = 'exact-native';

const names = ['exact', 'exact-wasm', 'exact-on-cpu', ...(nativeIsAvailable() ? [exactNative] : [])];
if (!nativeIsAvailable()) it.skip('hostile arguments on native kernels: no C++ compiler was found', () => undefined);

async function choose(name: string): Promise<void> {
  if (name !== exactNative) return use(name as 'exact' | 'exact-wasm' | 'exact-on-cpu');
  native ??= registerExactBackend({
    name: exactNative,
    kernels: createNativeKernels({ threads: 1, maximumBytes: 2 ** 28 }),
  });
  await tf.setBackend(exactNative);
}

beforeAll(() => {
  tf.enableProdMode();
});

afterAll(async () => {
  for (const name of ['exact', 'exact-wasm'] as const) await exactBackend(name).kernels.dispose();
  await native?.kernels.dispose();
});

const ramp = (shape: number[]): tf.Tensor =>
  tf.tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i + 1),
    shape,
  );
const image = (channels = 1): tf.Tensor4D => ramp([1, 4, 4, channels]) as tf.Tensor4D;
const run = (kernel: string, inputs: Record<string, tf.Tensor>, attributes: object): tf.Tensor =>
  tf.engine().runKernel(kernel, inputs, attributes as tf.NamedAttrMap);

const convolution = { strides: 1, pad: 'valid', dataFormat: 'NHWC', dilations: 1 };
const filter = (...shape: number[]): tf.Tensor => tf.ones([...shape, 1, 1]);
const largest = 2 ** 31 - 1;

const refused: [what: string, call: () => tf.Tensor, message: RegExp][] = [
  [
    'a dilation that int32 ends with',
    () => run('Conv2D', { x: image(), filter: filter(1, 3) }, { ...convolution, pad: 'same', dilations: [1, largest] }),
    /Conv2D: dilationWidth is 2147483647; it must be an integer from 1 to 268435456/,
  ],
  [
    'a filter that reaches around 2^32',
    () => run('Conv2D', { x: image(), filter: filter(9, 1) }, { ...convolution, pad: 'same', dilations: [2 ** 30, 1] }),
    /dilationHeight is 1073741824/,
  ],
  [
    'a filter that reaches too far, by a dilation within the limits',
    () => run('Conv2D', { x: image(), filter: filter(3, 1) }, { ...convolution, pad: 'same', dilations: [2 ** 28, 1] }),
    /\(filterHeight - 1\) \* dilationHeight is 536870912/,
  ],
  [
    'the same in a gradient',
    () =>
      run(
        'Conv2DBackpropInput',
        { dy: image(), filter: filter(9, 1) },
        { ...convolution, pad: 'same', strides: 1, dilations: [2 ** 30, 1], inputShape: [1, 4, 4, 1] },
      ),
    /Conv2DBackpropInput: dilationHeight/,
  ],
  [
    'the same in a depthwise convolution',
    () =>
      run(
        'DepthwiseConv2dNative',
        { x: image(), filter: filter(9, 1) },
        { ...convolution, pad: 'same', dilations: [2 ** 30, 1] },
      ),
    /DepthwiseConv2dNative: dilationHeight/,
  ],
  [
    'a fraction of a stride',
    () => run('Conv2D', { x: image(), filter: filter(1, 1) }, { ...convolution, strides: 0.5 }),
    /strideHeight is 0.5/,
  ],
  ['no stride', () => run('Conv2D', { x: image(), filter: filter(1, 1) }, { ...convolution, strides: 0 }), /stride/],
  [
    'a padding that int32 does not hold',
    () =>
      run(
        'Conv2D',
        { x: image(), filter: filter(1, 1) },
        { ...convolution, strides: 2 ** 31, pad: 2 ** 31, dimRoundingMode: 'floor' },
      ),
    /Conv2D: (stride|pad)/,
  ],
  [
    'a filter larger than the image, whose result would have less than no rows',
    () => run('Conv2D', { x: image(), filter: filter(7, 7) }, convolution),
    /outHeight is -2/,
  ],
  [
    'a filter of other channels',
    () => run('Conv2D', { x: image(2), filter: filter(1, 1) }, convolution),
    /x has 2 channels/,
  ],
  [
    'a gradient that is no gradient of the result',
    () =>
      run(
        'Conv2DBackpropFilter',
        { x: image(), dy: ramp([1, 3, 3, 1]) },
        { ...convolution, filterShape: [1, 1, 1, 1] },
      ),
    /the shape of its input 'dy' is \[1, 3, 3, 1\]; the output has the shape \[1, 4, 4, 1\]/,
  ],
  [
    "a pool's gradient that is none",
    () => run('MaxPoolGrad', { input: image(), dy: ramp([1, 9, 9, 1]) }, { filterSize: 2, strides: 2, pad: 'valid' }),
    /MaxPoolGrad: the shape of its input 'dy'/,
  ],
  [
    'a window that costs without bound',
    () => run('AvgPool', { x: image() }, { filterSize: 1500, strides: 1, pad: 'same' }),
    /AvgPool: filterHeight \* filterWidth is 2250000; a window has at most 64 positions/,
  ],
  [
    'a window one position too large',
    () => run('MaxPool', { x: image() }, { filterSize: [5, 13], strides: 1, pad: 'same' }),
    /is 65; a window/,
  ],
  [
    'a padding below 0, which would write before the output',
    () =>
      run(
        'PadV2',
        { x: ramp([4, 4]) },
        {
          paddings: [
            [-2, 2],
            [0, 0],
          ],
          constantValue: 0,
        },
      ),
    /PadV2: paddings is \[\[-2,2\],\[0,0\]\]; it must be two integers from 0 for each of the 2 axes/,
  ],
  [
    'a padding below 0 behind',
    () => run('PadV2', { x: ramp([4]) }, { paddings: [[0, -1]], constantValue: 0 }),
    /paddings is/,
  ],
  [
    'a fraction of a padding',
    () => run('PadV2', { x: ramp([4]) }, { paddings: [[0.5, 0.5]], constantValue: 0 }),
    /paddings is/,
  ],
  [
    'paddings of other axes',
    () =>
      run(
        'PadV2',
        { x: ramp([4]) },
        {
          paddings: [
            [0, 0],
            [1, 1],
          ],
          constantValue: 0,
        },
      ),
    /paddings is/,
  ],
  [
    'a padding of truth values below 0',
    () => run('PadV2', { x: tf.tensor1d([true, false], 'bool') }, { paddings: [[-1, 1]], constantValue: 0 }),
    /paddings is/,
  ],
  [
    'a padding to more elements than int32 counts',
    () =>
      run(
        'PadV2',
        { x: ramp([4, 4]) },
        {
          paddings: [
            [0, 2 ** 20],
            [0, 2 ** 20],
          ],
          constantValue: 0,
        },
      ),
    /a tensor: its shape \[1048580, 1048580\] has 1099520016400 elements; at most 2147483647/,
  ],
  [
    'a comparison of more elements than int32 counts',
    () => tf.less(tf.zeros([47_000, 1]), tf.ones([1, 47_000])),
    /its shape \[47000, 47000\] has 2209000000 elements/,
  ],
  ['a sum of more', () => tf.add(tf.zeros([47_000, 1]), tf.ones([1, 47_000])), /2209000000 elements/],
  [
    'a logical function of more',
    () => tf.logicalAnd(tf.zeros([47_000, 1], 'bool'), tf.ones([1, 47_000], 'bool')),
    /2209000000 elements/,
  ],
  ['a product of more', () => tf.matMul(tf.zeros([47_000, 1]), tf.zeros([1, 47_000])), /2209000000 elements/],
  ['a constant of more', () => tf.fill([2 ** 31], 1), /2147483648\]; lengths are integers from 0 to 2147483647/],
  ['a truth of more', () => tf.fill([2, 2 ** 30], 1, 'bool'), /2147483648 elements/],
  ['a repetition to more', () => tf.tile(tf.zeros([2 ** 16]), [2 ** 16]), /lengths are integers/],
  ['categories of more', () => tf.oneHot(tf.tensor1d([1], 'int32'), 2 ** 31), /lengths are integers/],
  [
    'an image of more',
    () => tf.image.resizeNearestNeighbor(image(), [50_000, 50_000]),
    /its shape \[1, 50000, 50000, 1\] has 2500000000/,
  ],
  [
    'parts of a length below 0',
    () => run('SplitV', { x: ramp([4]) }, { numOrSizeSplits: [-3, 7], axis: 0 }),
    /SplitV: the parts have the lengths \[-3,7\]/,
  ],
  ['a sum of truth values', () => run('Add', truths(), {}), /Add: it does not take bool; cast it/],
  ['a difference of truth values', () => run('Sub', truths(), {}), /Sub: it does not take bool/],
  ['a product of truth values', () => run('Multiply', truths(), {}), /Multiply: it does not take bool/],
  [
    'a sum of integers and truth values',
    () => run('Add', { a: tf.tensor1d([3, 4, 5], 'int32'), b: truths()['b']! }, {}),
    /Add: it does not take bool/,
  ],
  [
    'a truth value turned round',
    () => run('Neg', { x: tf.tensor1d([true], 'bool') }, {}),
    /Neg: it does not take bool/,
  ],
];

const truths = (): Record<string, tf.Tensor> => ({
  a: tf.tensor1d([true, true, false], 'bool'),
  b: tf.tensor1d([true, false, false], 'bool'),
});

describe.each(names)('hostile arguments on %s', (name) => {
  beforeAll(async () => {
    await choose(name);
  });

  it.each(refused)('refuses %s', (_, call, message) => {
    const failure = (): unknown => {
      try {
        tf.tidy(() => void call());
        return null;
      } catch (error) {
        return error;
      }
    };
    const error = failure();
    expect(error).toBeInstanceOf(UnsupportedArgumentError);
    expect((error as Error).message).toMatch(message);
    expect([...tf.tidy(() => tf.add(tf.tensor1d([1]), 1)).dataSync()]).toEqual([2]);
  });

  it('holds only 0 and 1 as truth values, and saturates constants of int32', () => {
    const least = -(2 ** 31);
    const values = (call: () => tf.Tensor): number[] => [...tf.tidy(call).dataSync()];
    const bool = (): tf.Tensor => tf.tensor1d([false, true], 'bool');
    const padded = (x: tf.Tensor, constantValue: number) => run('PadV2', { x }, { paddings: [[1, 0]], constantValue });
    expect(values(() => padded(bool(), 2))).toEqual([1, 0, 1]);
    expect(values(() => padded(tf.tensor1d([5], 'int32'), 3e9))).toEqual([largest, 5]);
    expect(values(() => padded(tf.tensor1d([5], 'int32'), -1.9))).toEqual([-1, 5]);
    expect(values(() => tf.fill([1], 255, 'bool'))).toEqual([1]);
    expect(values(() => tf.fill([1], 2 ** 31, 'int32'))).toEqual([largest]);
    const one = (): tf.Tensor1D => tf.tensor1d([1], 'int32');
    expect(values(() => tf.oneHot(one(), 2, 3e9, -3e9, 'int32'))).toEqual([least, largest]);
    expect(values(() => tf.oneHot(one(), 2, 7, 2, 'bool'))).toEqual([1, 1]);
    expect(values(() => tf.range(2 ** 31 - 2, 2 ** 31 + 2, 2, 'int32'))).toEqual([2 ** 31 - 2, largest]);
    expect(values(() => run('LogicalOr', truths(), {}))).toEqual([1, 1, 0]);
  });

  it('wraps int32 where nothing else is said', () => {
    const least = -(2 ** 31);
    const values = (kernel: string, ...operands: number[]): number[] => {
      const [a, b] = operands.map((value) => tf.tensor1d([value], 'int32'));
      return [...tf.tidy(() => run(kernel, b === undefined ? { x: a! } : { a: a!, b }, {})).dataSync()];
    };
    expect([values('Neg', least), values('Abs', least), values('Square', least)]).toEqual([[least], [least], [0]]);
    expect([values('FloorDiv', least, -1), values('Mod', least, -1)]).toEqual([[least], [0]]);
    expect([values('FloorDiv', 7, 0), values('Mod', 7, 0), values('Mod', -7, 3)]).toEqual([[0], [7], [2]]);
  });
});

const outcome = (call: () => tf.Tensor): unknown => {
  try {
    return tf.tidy(() => {
      const result = call();
      return { shape: result.shape, values: [...result.dataSync()] };
    });
  } catch (error) {
    return { refused: (error as Error).message };
  }
};

const edge = fc.constantFrom(1, 2, 3, 5, 1000, 2 ** 20, 2 ** 27, 2 ** 28 - 1, 2 ** 28, 2 ** 28 + 1, 2 ** 30, largest);
const two = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<[T, T]> => fc.tuple(one, one);

it('gives the same bits, or refuses the same, on every backend: windows of any size and step', async () => {
  await fc.assert(
    fc.asyncProperty(
      two(fc.integer({ min: 1, max: 4 })),
      two(edge),
      two(edge),
      fc.constantFrom('same', 'valid', 0, 3, 2 ** 27, 2 ** 28, largest),
      fc.constantFrom(1, 2),
      async (filterSize, strides, dilations, pad, channels) => {
        const found: unknown[] = [];
        for (const name of names) {
          await choose(name);
          const attributes = { ...convolution, strides, dilations, pad, dimRoundingMode: 'floor' };
          const weights = (): tf.Tensor => ramp([...filterSize, channels, 2]);
          const shape = tf.tidy(() => {
            try {
              return run('Conv2D', { x: image(channels), filter: weights() }, attributes).shape;
            } catch {
              return [1, 1, 1, 2];
            }
          });
          const small = shape.reduce((a, b) => a * b, 1) < 10_000;
          const dy = (): tf.Tensor => ramp(small ? shape : [1]);
          const pooled = (): tf.Tensor =>
            run('AvgPool', { x: image(channels) }, { filterSize, strides, pad, dimRoundingMode: 'floor' });
          found.push(
            [
              () => run('Conv2D', { x: image(channels), filter: weights() }, attributes),
              () =>
                run(
                  'Conv2DBackpropFilter',
                  { x: image(channels), dy: dy() },
                  { ...attributes, filterShape: [...filterSize, channels, 2] },
                ),
              () =>
                run(
                  'Conv2DBackpropInput',
                  { dy: dy(), filter: weights() },
                  { ...attributes, inputShape: [1, 4, 4, channels] },
                ),
              pooled,
              () => run('MaxPool', { x: image(channels) }, { filterSize, strides, pad, dimRoundingMode: 'floor' }),
            ].map(outcome),
          );
        }
        for (const other of found) expect(other).toEqual(found[0]);
      },
    ),
    { numRuns: 60 },
  );
}, 120_000);

it.each<[string, Partial<Movement>]>([
  ['before its output', { outOffset: -1 }],
  ['behind its output', { outOffset: 1 }],
  ['before its input', { xStrides: [-3, 1] }],
  ['behind its input', { xStrides: [3, 2] }],
  ['at no index', { xOffset: Number.NaN }],
])('moves no element %s', (_, changes) => {
  const movement = { shape: [2, 3], outOffset: 0, outStrides: [3, 1], xOffset: 0, xStrides: [3, 1] };
  for (const Type of [Float32Array, Int32Array, Uint8Array]) {
    const [x, out] = [Type.of(1, 2, 3, 4, 5, 6), new Type(6)];
    const move = (wanted: Movement): void => {
      moveElements(exactBackend('exact'), 'Test', out, x, wanted);
    };
    expect(() => {
      move({ ...movement, ...changes });
    }).toThrow(/Test: it would move elements/);
    expect([...out]).toEqual([0, 0, 0, 0, 0, 0]);
    move(movement);
    expect([...out]).toEqual([...x]);
  }
});

if (nativeIsAvailable())
  describe('the addon on its own', () => {
    const memory = new Uint8Array(4096);
    // 32 x 32 floats fill the memory.
    const product = { out: 0, a: [0, 32, 1, 0], b: [0, 1, 32, 0], batch: 1, m: 32, k: 32, n: 32 };
    const contract = (changes: Partial<typeof product>): void => {
      const { out, a, b, batch, m, k, n } = { ...product, ...changes };
      loadAddon().contract(memory, Int32Array.from([out, ...a, ...b, batch, m, k, n, 7, 7]));
    };
    // batch, in: height, width, channels, out: the same, filter: height, width, strides, dilations, input's, padding.
    const geometry = [1, 8, 8, 1, 8, 8, 1, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1];
    const convolve = (changes: Record<number, number>, kernel: 'conv2d' | 'conv2dFilterGradient' = 'conv2d'): void => {
      const values = geometry.map((value, i) => changes[i] ?? value);
      loadAddon()[kernel](memory, Int32Array.from([...values, 0, changes[18] ?? 1024, 2048, 7, 7]));
    };

    it('computes what lies in the memory', () => {
      contract({});
      convolve({});
      convolve({}, 'conv2dFilterGradient');
    });

    it.each<[string, () => void]>([
      [
        'a result that leaves the memory',
        () => {
          contract({ out: 4 });
        },
      ],
      [
        'an operand that leaves it',
        () => {
          contract({ a: [0, 33, 1, 0] });
        },
      ],
      [
        'another',
        () => {
          contract({ b: [4, 1, 32, 0] });
        },
      ],
      [
        'an item that leaves it',
        () => {
          contract({ batch: 2, m: 16, a: [0, 32, 1, 513] });
        },
      ],
      [
        'a step backwards',
        () => {
          contract({ a: [2048, -32, 1, 0] });
        },
      ],
      [
        'a size below 0',
        () => {
          contract({ m: -1 });
        },
      ],
      [
        'sizes whose product wraps',
        () => {
          contract({ batch: 2 ** 16, m: 2 ** 16, n: 1 });
        },
      ],
      [
        'strides whose sum wraps',
        () => {
          contract({ a: [0, 2 ** 31 - 1, 2 ** 31 - 1, 0] });
        },
      ],
      [
        'an image that leaves it',
        () => {
          convolve({ 18: 4096 - 252 });
        },
      ],
      [
        'an image of 2^34 pixels',
        () => {
          convolve({ 1: 2 ** 17, 2: 2 ** 17 });
        },
      ],
      [
        'a gradient of an image that leaves it',
        () => {
          convolve({ 1: 100 }, 'conv2dFilterGradient');
        },
      ],
      [
        'a dilation that wraps',
        () => {
          convolve({ 12: 2 ** 31 - 1 });
        },
      ],
      [
        'a stride that wraps',
        () => {
          convolve({ 9: 2 ** 30 });
        },
      ],
      [
        'no dilation',
        () => {
          convolve({ 11: 0 });
        },
      ],
      [
        'a padding that wraps',
        () => {
          convolve({ 15: -(2 ** 31) });
        },
      ],
    ])('refuses %s', (_, call) => {
      expect(call).toThrow(expect.objectContaining({ code: 'EXACT_ARGUMENT' }));
    });
  });
