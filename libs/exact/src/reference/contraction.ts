// §6: products of matrices by blocks of 1,024 small integers.
import { contractionBits, contractionBlock, contractionRanges } from '../contraction-ranges.ts';
import type { MatMulShape, Operand, VectorLayout } from '../kernels.ts';
import { bitsOf, N, powerOfTwo, roundHalfEven } from './float.ts';
import { S } from './reductions.ts';

const { abs, ceil, floor, fround, max, min } = Math;

const blocksOf = (length: number): number => ceil(length / contractionBlock);

/** §6.1 */
export function blockExponents(exponents: Int32Array, x: Float32Array, vectors: VectorLayout): void {
  const blocks = blocksOf(vectors.length);
  for (let v = 0; v < vectors.count; v++)
    for (let block = 0; block < blocks; block++) {
      let largest = 0;
      const end = min(vectors.length, (block + 1) * contractionBlock);
      for (let i = block * contractionBlock; i < end; i++)
        largest = max(largest, abs(x[v * vectors.vectorStride + i * vectors.elementStride] as number));
      exponents[v * blocks + block] = largest === 0 ? -99 : (bitsOf(largest) >> 23) - 126;
    }
}

/** §6.2 */
export function quantise(
  out: Int8Array,
  x: Float32Array,
  exponents: Int32Array,
  vectors: VectorLayout,
  operand: Operand,
): void {
  const blocks = blocksOf(vectors.length);
  const range = contractionRanges[operand];
  for (let v = 0; v < vectors.count; v++)
    for (let i = 0; i < vectors.length; i++) {
      const exponent = exponents[v * blocks + floor(i / contractionBlock)] as number;
      const scale = powerOfTwo(contractionBits[operand] - exponent);
      const scaled = fround((x[v * vectors.vectorStride + i * vectors.elementStride] as number) * scale);
      out[v * vectors.length + i] = min(max(roundHalfEven(scaled), -range), range);
    }
}

/** §6.3 */
export function contract(sums: Int32Array, a: Int8Array, b: Int8Array, m: number, k: number, n: number): void {
  for (let block = 0; block < blocksOf(k); block++) {
    const start = block * contractionBlock;
    const length = min(k - start, contractionBlock);
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let p = 0; p < length; p++)
          sum = (sum + (a[i * k + start + p] as number) * (b[j * k + start + p] as number)) | 0;
        sums[(block * m + i) * n + j] = sum;
      }
  }
}

/** §6.4 and §6.5 */
export function rescale(
  out: Float32Array,
  sums: Int32Array,
  aExponents: Int32Array,
  bExponents: Int32Array,
  m: number,
  n: number,
  blocks: number,
): void {
  const parts = new Float32Array(blocks);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      for (let block = 0; block < blocks; block++) {
        const aScale = powerOfTwo((aExponents[i * blocks + block] as number) - contractionBits.left);
        const bScale = powerOfTwo((bExponents[j * blocks + block] as number) - contractionBits.right);
        parts[block] = N(fround((sums[(block * m + i) * n + j] as number) * aScale) * bScale);
      }
      out[i * n + j] = S(parts);
    }
}

/** The whole contraction, a matrix of the batch after the other. */
export function matMul(out: Float32Array, a: Float32Array, b: Float32Array, shape: MatMulShape): void {
  const { batch, m, k, n } = shape;
  const blocks = blocksOf(k);
  const rows: VectorLayout = { count: m, length: k, ...strides(shape.transposeA, k, m) };
  const columns: VectorLayout = { count: n, length: k, ...strides(!shape.transposeB, k, n) };
  const aExponents = new Int32Array(m * blocks);
  const bExponents = new Int32Array(n * blocks);
  const left = new Int8Array(m * k);
  const right = new Int8Array(n * k);
  const sums = new Int32Array(blocks * m * n);
  for (let item = 0; item < batch; item++) {
    const aMatrix = a.subarray(item * shape.aBatchStride);
    const bMatrix = b.subarray(item * shape.bBatchStride);
    blockExponents(aExponents, aMatrix, rows);
    blockExponents(bExponents, bMatrix, columns);
    quantise(left, aMatrix, aExponents, rows, 'left');
    quantise(right, bMatrix, bExponents, columns, 'right');
    contract(sums, left, right, m, k, n);
    rescale(out.subarray(item * m * n), sums, aExponents, bExponents, m, n, blocks);
  }
}

/** Where vectors of `length` lie in a matrix of `count` of them: one after another, or side by side as columns. */
function strides(areColumns: boolean, length: number, count: number): { vectorStride: number; elementStride: number } {
  return areColumns ? { vectorStride: 1, elementStride: count } : { vectorStride: length, elementStride: 1 };
}
