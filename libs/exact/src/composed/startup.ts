import { checkStartup } from '../backend/startup.ts';
import { drawFloats } from '../conformance/vector.ts';
import { contractionBlock } from '../contraction-ranges.ts';
import { StartupMismatchError } from '../errors.ts';
import type { MatMulShape } from '../kernels.ts';
import { bitsOf } from '../reference/float.ts';
import { matMul } from '../reference/contraction.ts';
import { createComposedKernels } from './composed-kernels.ts';
import type { Primitives } from './primitives.ts';

/** Rows and columns of the products that are tried: libraries take other paths for other sizes. */
const sizes = [1, 5, 16, 64] as const;

const hexadecimal = (x: number): string => (bitsOf(x) >>> 0).toString(16).padStart(8, '0');

/**
 * Shows that the inner backend's primitives give exact/1 on this machine: the start-up vectors of every implementation,
 * and products whose sums need all 24 bits of a float, which units of lower precision would round.
 * @throws StartupMismatchError at the first difference
 */
export function checkComposedStartup(p: Primitives): void {
  const kernels = createComposedKernels(p);
  checkStartup(kernels);
  for (const size of sizes) {
    // Magnitudes of one exponent and one sign: every quantised value is from 64 to 127.
    const draw = (seed: number): Float32Array =>
      drawFloats({ seed, length: size * contractionBlock, low: 0, high: 0 }).map(Math.abs);
    const [a, b] = [draw(size), draw(size + 1000)];
    const shape: MatMulShape = {
      ...{ batch: 1, m: size, k: contractionBlock, n: size, transposeA: false, transposeB: true },
      ...{ aBatchStride: 0, bBatchStride: 0 },
    };
    const [expected, actual] = [new Float32Array(size * size), new Float32Array(size * size)];
    matMul(expected, a, b, shape);
    kernels.matMul(actual, a, b, shape);
    const index = expected.findIndex((value, i) => !Object.is(value, actual[i]));
    if (index >= 0) {
      const [want, got] = [expected[index] as number, actual[index] as number].map(hexadecimal) as [string, string];
      throw new StartupMismatchError(kernels.name, `sums of 1,024 products, ${String(size)} rows`, index, want, got);
    }
  }
}
