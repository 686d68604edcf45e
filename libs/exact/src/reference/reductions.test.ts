import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { anyValue, isValue, normals } from '../../test/values.ts';
import { N } from './float.ts';
import { argReduce, reduce, S } from './reductions.ts';

/** The tree written as the specification reads, recursively. */
function sumByDefinition(list: readonly number[]): number {
  if (list.length > 64) {
    const parts: number[] = [];
    for (let at = 0; at < list.length; at += 64) parts.push(sumByDefinition(list.slice(at, at + 64)));
    return sumByDefinition(parts);
  }
  const half = (values: readonly number[]): number => {
    if (values.length === 1) return values[0]!;
    const middle = values.length / 2;
    return half(values.slice(0, middle).map((value, i) => Math.fround(value + values[middle + i]!)));
  };
  return N(half([...list, ...new Array<number>(64 - list.length).fill(0)]));
}

describe('S', () => {
  it.each([1, 2, 3, 5, 63, 64, 65, 127, 128, 129, 1000, 4096, 4097, 4160, 10_000, 262_145])(
    'follows its definition for %i elements',
    (length) => {
      const list = normals(length, length);
      expect(S(list.slice())).toBe(sumByDefinition([...list]));
    },
  );

  it('is near the true sum', () => {
    const list = normals(1, 100_000);
    const truth = list.reduce((sum, x) => sum + x, 0);
    const size = list.reduce((sum, x) => sum + Math.abs(x), 0);
    expect(Math.abs(S(list.slice()) - truth)).toBeLessThan(size * 2 ** -24 * 12);
  });

  it('is a value, whatever it adds', () => {
    fc.assert(
      fc.property(fc.array(anyValue, { minLength: 1, maxLength: 200 }), (list) => {
        const sum = S(Float32Array.from(list));
        expect(isValue(sum)).toBe(true);
        expect(sum).toBe(sumByDefinition(list));
      }),
    );
  });

  it('saturates instead of overflowing', () => {
    expect(S(new Float32Array(100_000).fill(2 ** 100))).toBe(2 ** 100);
  });

  it.each([1, 2, 4, 8])('is the sum of the sums of %i workers, each with every w-th row', (workers) => {
    const rows = 64;
    const list = normals(7, rows);
    const parts = Float32Array.from({ length: workers }, (_, worker) =>
      S(list.filter((_, i) => i % workers === worker)),
    );
    expect(S(parts)).toBe(S(list.slice()));
  });
});

describe('reductions', () => {
  const extent = { outer: 2, length: 3, inner: 2 };
  const x = Float32Array.from([1, -2, 3, 4, 3, 0.5, -1, 8, -1, 8, -7, 9]);

  it.each([
    ['sum', [7, 2.5, -9, 25]],
    ['mean', [7, 2.5, -9, 25].map((sum) => Math.fround(sum / 3))],
    ['max', [3, 4, -1, 9]],
    ['min', [1, -2, -7, 8]],
    ['prod', [9, -4, -7, 576]],
  ] as const)('%s reduces the middle axis', (operation, expected) => {
    const out = new Float32Array(4);
    reduce(operation, out, x, extent);
    expect([...out]).toEqual(expected);
  });

  it.each([
    ['sum', 0],
    ['mean', 0],
    ['max', -(2 ** 100)],
    ['min', 2 ** 100],
    ['prod', 1],
  ] as const)('%s of nothing is defined', (operation, expected) => {
    const out = new Float32Array(1);
    reduce(operation, out, new Float32Array(0), { outer: 1, length: 0, inner: 1 });
    expect(out[0]).toBe(expected);
  });

  it('finds the first of equal extremes', () => {
    const out = new Int32Array(4);
    argReduce('argMax', out, x, extent);
    expect([...out]).toEqual([1, 1, 0, 2]);
    argReduce('argMin', out, x, extent);
    expect([...out]).toEqual([0, 0, 2, 0]);
  });
});
