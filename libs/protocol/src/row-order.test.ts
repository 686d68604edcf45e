import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { OutOfRangeError } from './errors.ts';
import { philox4x32, uniformFloats } from './philox.ts';
import { rowIndices, shuffledRow } from './row-order.ts';

describe('Philox 4x32-10', () => {
  // kat_vectors of Random123.
  it.each([
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ] as const)('gives the published output for %p', (counter, key, output) => {
    expect(philox4x32(counter, key)).toEqual(output);
  });

  it('draws floats that are in range, even, and depend on each of their coordinates', () => {
    const values = uniformFloats(1n, 3, 0, 0, 100_000);
    expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
    expect(Math.abs(values.reduce((sum, value) => sum + value, 0) / values.length - 0.5)).toBeLessThan(0.005);
    const variants = [
      uniformFloats(1n, 3, 0, 0, 8),
      uniformFloats(2n, 3, 0, 0, 8),
      uniformFloats(1n << 32n, 3, 0, 0, 8),
      uniformFloats(1n, 4, 0, 0, 8),
      uniformFloats(1n, 3, 1, 0, 8),
      uniformFloats(1n, 3, 0, 1, 8),
    ];
    expect(new Set(variants.map(String)).size).toBe(variants.length);
    expect(uniformFloats(1n, 3, 0, 0, 3)).toEqual(variants[0]?.subarray(0, 3));
  });
});

describe('the order of rows', () => {
  it('visits every row exactly once per epoch', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.nat(2 ** 40),
        fc.integer({ min: 1, max: 1_000 }),
        (seed, epoch, rows) => {
          const seen = new Set<number>();
          for (let position = 0; position < rows; position++) seen.add(shuffledRow(seed, epoch, position, rows));
          expect(seen.size).toBe(rows);
          expect(Math.min(...seen)).toBe(0);
          expect(Math.max(...seen)).toBe(rows - 1);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('continues over batches: any batch size gives the same sequence', () => {
    const whole = rowIndices(9n, 0, 300, 100n);
    const pieces = Array.from({ length: 30 }, (_, step) => rowIndices(9n, step, 10, 100n)).flat();
    expect(pieces).toEqual(whole);
    expect(new Set(whole.slice(100, 200)).size).toBe(100);
    expect(whole.slice(0, 100)).not.toEqual(whole.slice(100, 200));
  });

  it('stays in range, quickly, for the largest datasets', () => {
    for (const rows of [1n, 2n, 2n ** 32n + 1n, 2n ** 46n + 1n, 2n ** 48n]) {
      for (const row of rowIndices(5n, 2 ** 24 - 1, 100, rows)) {
        expect(Number.isSafeInteger(row) && row >= 0 && BigInt(row) < rows).toBe(true);
      }
    }
    expect(() => rowIndices(5n, 0, 1, 0n)).toThrow(OutOfRangeError);
    expect(() => rowIndices(5n, 0, 1, 2n ** 48n + 1n)).toThrow(OutOfRangeError);
  });

  it('never changes: a trainer and a validator of different versions must agree', () => {
    expect(rowIndices(42n, 3, 8, 10_000n)).toMatchInlineSnapshot(`
     [
       9278,
       8789,
       6123,
       1321,
       1015,
       1330,
       5863,
       2970,
     ]
    `);
    expect(Array.from(uniformFloats(42n, 3, 1, 7, 4))).toMatchInlineSnapshot(`
     [
       0.8615093231201172,
       0.7230939269065857,
       0.4606589078903198,
       0.46551942825317383,
     ]
    `);
  });

  it('has no pattern that a glance would find', () => {
    const order = rowIndices(1n, 0, 1_000, 1_000n);
    const fixed = order.filter((row, position) => row === position).length;
    const rising = order.filter((row, position) => position > 0 && row > (order[position - 1] as number)).length;
    expect(fixed).toBeLessThan(10);
    expect(rising).toBeGreaterThan(400);
    expect(rising).toBeLessThan(600);
  });
});
