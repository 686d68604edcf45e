import type { ConvolutionGeometry, PoolGeometry } from '../kernels.ts';
import { sourceIndex } from '../reference/convolution.ts';
import { largest } from '../reference/float.ts';
import { matMul } from './contraction.ts';
import type { Floats, InnerTensor } from './inner-operations.ts';
import type { Primitives } from './primitives.ts';
import { sumRows } from './reductions.ts';

// §8, §9. Images are tables of pixels with one row of channels each; which pixel goes where is worked out here.

/** One dimension's part of a geometry. */
interface Walk {
  outSize: number;
  inSize: number;
  filterSize: number;
  stride: number;
  dilation: number;
  pad: number;
  inputDilation: number;
}

const walks = (g: (ConvolutionGeometry | PoolGeometry) & Partial<ConvolutionGeometry>): [Walk, Walk] => [
  {
    ...{ outSize: g.outHeight, inSize: g.inHeight, filterSize: g.filterHeight, stride: g.strideHeight },
    ...{ dilation: g.dilationHeight, pad: g.padTop, inputDilation: g.inputDilationHeight ?? 1 },
  },
  {
    ...{ outSize: g.outWidth, inSize: g.inWidth, filterSize: g.filterWidth, stride: g.strideWidth },
    ...{ dilation: g.dilationWidth, pad: g.padLeft, inputDilation: g.inputDilationWidth ?? 1 },
  },
];

/** Calls `see` for every pixel that a filter's position sees; those outside are left out. */
function eachSeen(
  g: ConvolutionGeometry | PoolGeometry,
  see: (position: number, outPixel: number, inPixel: number) => void,
): void {
  const [rows, columns] = walks(g);
  const seen = (walk: Walk): [out: number, filter: number, from: number][] =>
    Array.from({ length: walk.outSize * walk.filterSize }, (_, i): [number, number, number] => {
      const [out, filter] = [Math.floor(i / walk.filterSize), i % walk.filterSize];
      return [
        out,
        filter,
        sourceIndex(out, filter, walk.stride, walk.dilation, walk.pad, walk.inputDilation, walk.inSize),
      ];
    }).filter(([, , from]) => from >= 0);
  const [seenRows, seenColumns] = [seen(rows), seen(columns)];
  for (let item = 0; item < g.batch; item++)
    for (const [outY, kh, y] of seenRows)
      for (const [outX, kw, x] of seenColumns)
        see(
          kh * g.filterWidth + kw,
          (item * g.outHeight + outY) * g.outWidth + outX,
          (item * g.inHeight + y) * g.inWidth + x,
        );
}

const positionsIn = (g: ConvolutionGeometry | PoolGeometry): number => g.filterHeight * g.filterWidth;
const outPixels = (g: ConvolutionGeometry | PoolGeometry): number => g.batch * g.outHeight * g.outWidth;
const inPixels = (g: ConvolutionGeometry | PoolGeometry): number => g.batch * g.inHeight * g.inWidth;

/** A table with one more row, which stands for everything outside. */
const withOutside = (p: Primitives, table: Floats, value: number): Floats =>
  p.concat([table, p.full([1, table.shape[1] as number], value)], 0);

/** Rows of a table with `outside` at its end; indices that were never set mean the outside. */
function pick(p: Primitives, table: Floats, length: number, set: (indices: Int32Array) => void): Floats {
  const indices = new Int32Array(length).fill((table.shape[0] as number) - 1);
  set(indices);
  return p.gather(table, p.upload(indices, [length], 'int32'));
}

/** §8: [outPixels, positions, channels] of an image with that many channels. */
function patches(p: Primitives, x: Floats, channels: number, g: ConvolutionGeometry): Floats {
  return p.tidy(() => {
    const positions = positionsIn(g);
    const table = withOutside(p, p.reshape(x, [inPixels(g), channels]), 0);
    const rows = pick(p, table, outPixels(g) * positions, (indices) => {
      eachSeen(g, (position, out, from) => {
        indices[out * positions + position] = from;
      });
    });
    return p.reshape(rows, [outPixels(g), positions, channels]);
  });
}

const plain = { batch: 1, transposeA: false, transposeB: false, aBatchStride: 0, bBatchStride: 0 };

/** §8: [outPixels, outChannels]. */
export function conv2d(p: Primitives, x: Floats, filter: Floats, g: ConvolutionGeometry): Floats {
  const [m, k, n] = [outPixels(g), positionsIn(g) * g.inChannels, g.outChannels];
  if (m * k * n === 0) return p.full([m, n], 0);
  return p.tidy(() => {
    const product = matMul(p, patches(p, x, g.inChannels, g), filter, { ...plain, m, k, n });
    return p.reshape(product, [m, n]);
  });
}

/** §8: [positions * inChannels, outChannels]. */
export function conv2dFilterGradient(p: Primitives, x: Floats, dy: Floats, g: ConvolutionGeometry): Floats {
  const [m, k, n] = [positionsIn(g) * g.inChannels, outPixels(g), g.outChannels];
  if (m * k * n === 0) return p.full([m, n], 0);
  return p.tidy(() => {
    const shape = { ...plain, transposeA: true, m, k, n };
    return p.reshape(matMul(p, patches(p, x, g.inChannels, g), dy, shape), [m, n]);
  });
}

/** §8: [groups, positions, in, out] turned round, with channels exchanged: [groups, positions, out, in]. */
export function turnFilter(p: Primitives, filter: Floats): Floats {
  const [groups = 1, positions = 1, inChannels = 1, outChannels = 1] = filter.shape;
  return p.tidy(() => {
    const rows = p.reshape(filter, [groups * positions, inChannels * outChannels]);
    const order = Int32Array.from({ length: groups * positions }, (_, i) => {
      const group = Math.floor(i / positions);
      return group * positions + positions - 1 - (i % positions);
    });
    const turned = p.gather(rows, p.upload(order, [order.length], 'int32'));
    return p.transpose(p.reshape(turned, [groups, positions, inChannels, outChannels]), [0, 1, 3, 2]);
  });
}

// Depthwise: a batch of contractions, one for each group of channels.

/** Patches of each group's channels: [groups, outPixels, positions * channels of a group]. */
function groupedPatches(p: Primitives, x: Floats, groups: number, perGroup: number, g: ConvolutionGeometry): Floats {
  return p.tidy(() => {
    const [pixels, positions] = [outPixels(g), positionsIn(g)];
    const all = p.reshape(patches(p, x, groups * perGroup, g), [pixels, positions, groups, perGroup]);
    return p.reshape(p.transpose(all, [2, 0, 1, 3]), [groups, pixels, positions * perGroup]);
  });
}

/** [groups, m, n] to [m, groups * n]. */
function sideBySide(p: Primitives, x: Floats): Floats {
  const [groups = 1, m = 1, n = 1] = x.shape;
  return p.reshape(p.transpose(x, [1, 0, 2]), [m, groups * n]);
}

/**
 * A convolution of every group of `inPerGroup` channels by its own filter, [groups, positions * inPerGroup, outPerGroup].
 * The result is [outPixels, groups * outPerGroup].
 */
export function groupedConvolution(
  p: Primitives,
  x: Floats,
  filters: Floats,
  g: ConvolutionGeometry,
  inPerGroup: number,
): Floats {
  const [groups = 1, k = 1, n = 1] = filters.shape;
  const m = outPixels(g);
  if (m * k * n * groups === 0) return p.full([m, groups * n], 0);
  return p.tidy(() => {
    const shape = { ...plain, batch: groups, m, k, n, aBatchStride: m * k, bBatchStride: k * n };
    return sideBySide(p, matMul(p, groupedPatches(p, x, groups, inPerGroup, g), filters, shape));
  });
}

/** Gradient of depthwise filters: [positions, groups * multiplier]. */
export function groupedFilterGradient(
  p: Primitives,
  x: Floats,
  dy: Floats,
  g: ConvolutionGeometry,
  groups: number,
  multiplier: number,
): Floats {
  const [m, k, n] = [positionsIn(g), outPixels(g), multiplier];
  if (m * k * n * groups === 0) return p.full([m, groups * n], 0);
  return p.tidy(() => {
    const gradients = p.transpose(p.reshape(dy, [k, groups, n]), [1, 0, 2]);
    const shape = { ...plain, batch: groups, m, k, n, transposeA: true, aBatchStride: m * k, bBatchStride: k * n };
    return sideBySide(p, matMul(p, groupedPatches(p, x, groups, 1, g), gradients, shape));
  });
}

/** What each position of each window sees: a matrix [positions, outPixels * channels]. */
function windowRows(p: Primitives, x: Floats, g: PoolGeometry, outside: number): Floats {
  const table = withOutside(p, p.reshape(x, [inPixels(g), g.channels]), outside);
  const rows = pick(p, table, positionsIn(g) * outPixels(g), (indices) => {
    eachSeen(g, (position, out, from) => {
      indices[position * outPixels(g) + out] = from;
    });
  });
  return p.reshape(rows, [positionsIn(g), outPixels(g) * g.channels]);
}

function largestOfRows(p: Primitives, rows: Floats): Floats {
  return p.reshape(p.run('Max', { x: rows }, { reductionIndices: [0], keepDims: false }), [1, rows.shape[1] as number]);
}

/** §9: [1, outPixels * channels]. */
export function maxPool(p: Primitives, x: Floats, g: PoolGeometry): Floats {
  if (outPixels(g) * g.channels === 0) return p.full([1, 0], 0);
  return p.tidy(() => largestOfRows(p, windowRows(p, x, g, -largest)));
}

/** How many of a window's positions are inside, at least 1: [outPixels, 1]. */
function counts(p: Primitives, g: PoolGeometry): Floats {
  const count = new Float32Array(outPixels(g));
  eachSeen(g, (_, out) => {
    count[out] = (count[out] as number) + 1;
  });
  return p.upload(
    count.map((inside) => Math.max(inside, 1)),
    [count.length, 1],
    'float32',
  );
}

/** §9: [outPixels, channels]. */
export function avgPool(p: Primitives, x: Floats, g: PoolGeometry): Floats {
  if (outPixels(g) * g.channels === 0) return p.full([outPixels(g), g.channels], 0);
  return p.tidy(() => {
    const sums = p.reshape(sumRows(p, windowRows(p, x, g, 0)), [outPixels(g), g.channels]);
    return p.normal(p.over(sums, counts(p, g)));
  });
}

/** §9: adds up what windows give to each pixel: [inPixels, channels] of given rows, `rowOf` a window's position. */
function collect(
  p: Primitives,
  given: Floats,
  g: PoolGeometry,
  rowOf: (position: number, outPixel: number) => number,
): Floats {
  const rows = pick(p, withOutside(p, given, 0), positionsIn(g) * inPixels(g), (indices) => {
    eachSeen(g, (position, out, from) => {
      indices[position * inPixels(g) + from] = rowOf(position, out);
    });
  });
  return sumRows(p, p.reshape(rows, [positionsIn(g), inPixels(g) * g.channels]));
}

/** §9: the first position of the largest value gives dy to its pixel. */
export function maxPoolGradient(p: Primitives, dy: Floats, x: Floats, g: PoolGeometry): Floats {
  const [positions, pixels] = [positionsIn(g), outPixels(g)];
  if (pixels * g.channels === 0) return p.full([1, inPixels(g) * g.channels], 0);
  return p.tidy(() => {
    const rows = windowRows(p, x, g, -largest);
    const isLargest = p.mask(p.compare('Equal', rows, largestOfRows(p, rows)));
    const inside = new Float32Array(positions * pixels);
    eachSeen(g, (position, out) => {
      inside[position * pixels + out] = 1;
    });
    const insideRows = p.upload(inside, [positions, pixels, 1], 'float32');
    const candidates = p.times(p.reshape(isLargest, [positions, pixels, g.channels]), insideRows);
    // 1 at the first candidate: the largest rank, which falls from position to position.
    const ranks = p.upload(
      Float32Array.from({ length: positions }, (_, i) => positions - i),
      [positions, 1],
      'float32',
    );
    const ranked = p.times(p.reshape(candidates, [positions, pixels * g.channels]), ranks);
    const isFirst: InnerTensor<'bool'> = p.compare('Equal', p.maximum(largestOfRows(p, ranked), 1), ranked);
    const flat = p.reshape(dy, [1, pixels * g.channels]);
    const given = p.select(isFirst, flat, 0);
    return collect(
      p,
      p.reshape(given, [positions * pixels, g.channels]),
      g,
      (position, out) => position * pixels + out,
    );
  });
}

/** §9: every position inside gives its share of dy. */
export function avgPoolGradient(p: Primitives, dy: Floats, g: PoolGeometry): Floats {
  if (outPixels(g) * g.channels === 0) return p.full([1, inPixels(g) * g.channels], 0);
  return p.tidy(() => {
    const shares = p.normal(p.over(p.reshape(dy, [outPixels(g), g.channels]), counts(p, g)));
    return collect(p, shares, g, (_, out) => out);
  });
}
