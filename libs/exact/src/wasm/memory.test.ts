import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ExactMemoryError } from '../errors.ts';
import { NotAllocatedError } from './errors.ts';
import { createWasmKernels, type WasmKernels } from './wasm-kernels.ts';

describe('memory', () => {
  const withKernels = async (maximumBytes: number, use: (kernels: WasmKernels) => void): Promise<void> => {
    const kernels = createWasmKernels({ maximumBytes });
    try {
      use(kernels);
    } finally {
      await kernels.dispose();
    }
  };

  it('refuses what does not fit, says how much it was, and goes on working', async () => {
    await withKernels(2 ** 25, (kernels) => {
      const kept = kernels.allocate('float32', 1000);
      kept.fill(3);
      expect(() => kernels.allocate('float32', 2 ** 23)).toThrow(ExactMemoryError);
      expect(() => kernels.allocate('float32', 2 ** 23)).toThrow(/wasm: 33554432 bytes could not be allocated/);
      const out = kernels.allocate('float32', 1000);
      kernels.unary('square', out, kept, 0, 0);
      expect(new Set(out)).toEqual(new Set([9]));
    });
  });

  it('refuses a product whose working memory does not fit, and frees what it had', async () => {
    await withKernels(2 ** 25, (kernels) => {
      const side = 1300;
      const [a, b, out] = [0, 1, 2].map(() => kernels.allocate('float32', side * side)) as [
        Float32Array,
        Float32Array,
        Float32Array,
      ];
      const shape = { batch: 1, m: side, k: side, n: side, transposeA: false, transposeB: false };
      const before = kernels.memoryUsage().usedBytes;
      const filler = kernels.allocate('uint8', 2 ** 25 - before - 2 ** 20);
      expect(() => {
        kernels.matMul(out, a, b, { ...shape, aBatchStride: 0, bBatchStride: 0 });
      }).toThrow(ExactMemoryError);
      kernels.free(filler);
      expect(kernels.memoryUsage().usedBytes).toBe(before);
      kernels.matMul(out, a, b, { ...shape, aBatchStride: 0, bBatchStride: 0 });
    });
  });

  it('keeps views valid while it grows', async () => {
    await withKernels(2 ** 28, (kernels) => {
      const first = kernels.allocate('float32', 100).fill(5);
      const reserved = kernels.memoryUsage().reservedBytes;
      kernels.allocate('float32', 2 ** 24);
      expect(kernels.memoryUsage().reservedBytes).toBeGreaterThan(reserved);
      kernels.unary('neg', first, first, 0, 0);
      expect(first[99]).toBe(-5);
    });
  });

  it('does not grow over any sequence that frees what it allocates', async () => {
    await withKernels(2 ** 28, (kernels) => {
      const sizes = fc.array(fc.integer({ min: 1, max: 50_000 }), { minLength: 1, maxLength: 30 });
      let largest = 0;
      fc.assert(
        fc.property(sizes, (lengths) => {
          largest = Math.max(
            largest,
            lengths.reduce((total, length) => total + length * 4 + 64, 0),
          );
          const arrays = lengths.map((length) => kernels.allocate('float32', length));
          const starts = new Set(arrays.map((array) => array.byteOffset));
          expect(starts.size).toBe(arrays.length);
          arrays.forEach((array, index) => array.fill(index));
          arrays.forEach((array, index) => {
            expect(array.every((value) => value === index)).toBe(true);
          });
          for (const array of arrays) kernels.free(array);
          expect(kernels.memoryUsage().usedBytes).toBe(0);
        }),
        { numRuns: 200 },
      );
      expect(kernels.memoryUsage().reservedBytes).toBeLessThanOrEqual(Math.max(2 ** 24, largest * 2 + 2 ** 24));
    });
  });

  it('refuses to free twice, and to free a part', async () => {
    await withKernels(2 ** 25, (kernels) => {
      const array = kernels.allocate('float32', 100);
      expect(() => {
        kernels.free(array.subarray(20));
      }).toThrow(NotAllocatedError);
      kernels.free(array);
      expect(() => {
        kernels.free(array);
      }).toThrow(NotAllocatedError);
    });
  });
});
