import { describe, expect, it } from '@jest/globals';
import { generator } from '../../test/values.ts';
import type { ConvolutionGeometry, PoolGeometry } from '../kernels.ts';
import { conv2d, conv2dFilterGradient } from './convolution.ts';
import { avgPool, avgPoolGradient, maxPool, maxPoolGradient } from './pooling.ts';

/** Small integers: contractions of them are exact, so that a float64 sum is the expected result. */
function integers(seed: number, count: number): Float32Array {
  const random = generator(seed);
  return Float32Array.from({ length: count }, () => Math.floor(random() * 15) - 7);
}

const geometry: ConvolutionGeometry = {
  ...{ batch: 2, inHeight: 5, inWidth: 6, inChannels: 3, outHeight: 3, outWidth: 3, outChannels: 2 },
  ...{ filterHeight: 3, filterWidth: 2, strideHeight: 2, strideWidth: 2, dilationHeight: 1, dilationWidth: 1 },
  ...{ inputDilationHeight: 1, inputDilationWidth: 1, padTop: 1, padLeft: 0 },
};

/** Calls `visit` for every product of the convolution. */
function eachProduct(g: ConvolutionGeometry, visit: (out: number, x: number, filter: number) => void): void {
  for (let b = 0; b < g.batch; b++)
    for (let oy = 0; oy < g.outHeight; oy++)
      for (let ox = 0; ox < g.outWidth; ox++)
        for (let ky = 0; ky < g.filterHeight; ky++)
          for (let kx = 0; kx < g.filterWidth; kx++) {
            const y = oy * g.strideHeight + ky * g.dilationHeight - g.padTop;
            const x = ox * g.strideWidth + kx * g.dilationWidth - g.padLeft;
            if (y < 0 || x < 0 || y >= g.inHeight || x >= g.inWidth) continue;
            for (let c = 0; c < g.inChannels; c++)
              for (let o = 0; o < g.outChannels; o++)
                visit(
                  ((b * g.outHeight + oy) * g.outWidth + ox) * g.outChannels + o,
                  ((b * g.inHeight + y) * g.inWidth + x) * g.inChannels + c,
                  ((ky * g.filterWidth + kx) * g.inChannels + c) * g.outChannels + o,
                );
          }
}

describe('convolution', () => {
  const x = integers(1, 2 * 5 * 6 * 3);
  const filter = integers(2, 3 * 2 * 3 * 2);
  const dy = integers(3, 2 * 3 * 3 * 2);

  it.each([
    ['as it is', {}],
    ['dilated', { dilationHeight: 2, dilationWidth: 3, strideHeight: 1, strideWidth: 1 }],
  ])('is the sum of its products, %s', (_, change) => {
    const g = { ...geometry, ...change };
    const expected = new Float32Array(dy.length);
    eachProduct(g, (o, i, f) => (expected[o]! += x[i]! * filter[f]!));
    const out = new Float32Array(dy.length);
    conv2d(out, x, filter, g);
    expect(out).toEqual(expected);
  });

  it('has the gradient of its filter', () => {
    const expected = new Float32Array(filter.length);
    eachProduct(geometry, (o, i, f) => (expected[f]! += x[i]! * dy[o]!));
    const out = new Float32Array(filter.length);
    conv2dFilterGradient(out, x, dy, geometry);
    expect(out).toEqual(expected);
  });

  it('has the gradient of its input as a convolution of the spread gradient', () => {
    const expected = new Float32Array(x.length);
    eachProduct(geometry, (o, i, f) => (expected[i]! += filter[f]! * dy[o]!));
    const turned = new Float32Array(filter.length);
    const g = geometry;
    for (let ky = 0; ky < g.filterHeight; ky++)
      for (let kx = 0; kx < g.filterWidth; kx++)
        for (let c = 0; c < g.inChannels; c++)
          for (let o = 0; o < g.outChannels; o++)
            turned[((ky * g.filterWidth + kx) * g.outChannels + o) * g.inChannels + c] =
              filter[
                (((g.filterHeight - 1 - ky) * g.filterWidth + g.filterWidth - 1 - kx) * g.inChannels + c) *
                  g.outChannels +
                  o
              ]!;
    const out = new Float32Array(x.length);
    conv2d(out, dy, turned, {
      ...g,
      ...{ inHeight: g.outHeight, inWidth: g.outWidth, inChannels: g.outChannels },
      ...{ outHeight: g.inHeight, outWidth: g.inWidth, outChannels: g.inChannels },
      ...{ strideHeight: 1, strideWidth: 1, inputDilationHeight: g.strideHeight, inputDilationWidth: g.strideWidth },
      ...{ padTop: g.filterHeight - 1 - g.padTop, padLeft: g.filterWidth - 1 - g.padLeft },
    });
    expect(out).toEqual(expected);
  });
});

describe('pooling', () => {
  const g: PoolGeometry = {
    ...{ batch: 1, channels: 1, inHeight: 3, inWidth: 3, outHeight: 2, outWidth: 2, filterHeight: 2, filterWidth: 2 },
    ...{ strideHeight: 1, strideWidth: 1, dilationHeight: 1, dilationWidth: 1, padTop: 0, padLeft: 0 },
  };
  const x = Float32Array.from([1, 5, 5, 2, 5, 0, -1, -2, -3]);

  it('takes the largest, and sends the gradient to the first of equals', () => {
    const out = new Float32Array(4);
    maxPool(out, x, g);
    expect([...out]).toEqual([5, 5, 5, 5]);
    const dx = new Float32Array(9);
    maxPoolGradient(dx, Float32Array.from([1, 10, 100, 1000]), x, g);
    expect([...dx]).toEqual([0, 11, 0, 0, 1100, 0, 0, 0, 0]);
  });

  it('averages what is inside', () => {
    const padded = { ...g, outHeight: 2, outWidth: 2, strideHeight: 2, strideWidth: 2, padTop: 1, padLeft: 1 };
    const out = new Float32Array(4);
    avgPool(out, x, padded);
    expect([...out]).toEqual([1, 5, 0.5, 0]);
    const dx = new Float32Array(9);
    avgPoolGradient(dx, Float32Array.from([1, 2, 4, 8]), padded);
    expect([...dx]).toEqual([1, 1, 1, 2, 2, 2, 2, 2, 2]);
  });
});
