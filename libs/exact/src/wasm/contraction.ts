import { contractionBits, contractionBlock } from '../contraction-ranges.ts';
import { ExactMemoryError } from '../errors.ts';
import type { MatMulShape } from '../kernels.ts';
import { packedFormats } from './packed-format.ts';
import type { WasmRuntime } from './runtime.ts';
import { strassenSide, strassenSumBytes, strassenUnits, suitsStrassen } from './strassen.ts';

export const leftPanel = 4;
export const rightPanel = 8;
const tileSide = 64;
const tileBytes = tileSide * tileSide * 4;
/** Operands of one item of a batch up to this many elements are packed and multiplied by one thread. */
const smallItemElements = 65_536;
/** Rough durations, for the decision whether to wake the threads. */
export const nanosecondsOfProduct = 0.025;
export const nanosecondsOfPacking = 0.3;

const roundUp = (x: number, multiple: number): number => Math.ceil(x / multiple) * multiple;
const align = (bytes: number): number => roundUp(bytes, 64);

/** Where the vectors of an operand lie; strides in bytes. */
export interface OperandLayout {
  address: number;
  vectorStride: number;
  elementStride: number;
  itemStride: number;
}

/** Bytes of what a contraction needs beside its operands. */
export function scratchSizes(m: number, k: number, n: number, elementBytes: number, needsCorrections: boolean) {
  const blocks = Math.ceil(k / contractionBlock);
  const packedLength = blocks > 1 ? blocks * contractionBlock : roundUp(k, 4);
  const left = roundUp(m, leftPanel);
  const right = roundUp(n, rightPanel);
  // The tree over the blocks is as deep as their number has binary digits, once for each power of 64.
  const levels = blocks > 1 ? Math.ceil(Math.log2(blocks)) + Math.ceil(Math.log2(blocks) / 6) : 0;
  return {
    left: align(left * packedLength * elementBytes),
    leftScales: align(left * blocks * 4),
    corrections: needsCorrections ? align(left * blocks * 4) : 0,
    right: align(right * packedLength * elementBytes),
    rightScales: align(right * blocks * 4),
    partialSums: levels * tileBytes,
  };
}

/** out[item, m, n] = the contraction of a's vectors (m of them) with b's (n). §6 */
export function contractItems(
  runtime: WasmRuntime,
  out: number,
  a: OperandLayout,
  b: OperandLayout,
  { batch, m, k, n }: Pick<MatMulShape, 'batch' | 'm' | 'k' | 'n'>,
): void {
  if (batch * m * n === 0) return;
  const { elementBytes } = packedFormats[runtime.format];
  const needsCorrections = runtime.format === 'int8Offset';
  const sizes = scratchSizes(m, k, n, elementBytes, needsCorrections);
  const leftScales = sizes.left;
  const corrections = leftScales + sizes.leftScales;
  const right = corrections + sizes.corrections;
  const rightScales = right + sizes.right;
  const partialSums = rightScales + sizes.rightScales;
  const operandBytes = align(partialSums);
  const isSmall = (m + n) * k <= smallItemElements;
  if (isSmall && batch >= runtime.threads) {
    const threadBytes = operandBytes + sizes.partialSums;
    const nanoseconds = m * k * n * nanosecondsOfProduct + (m + n) * k * nanosecondsOfPacking;
    runtime.withScratch(threadBytes * runtime.threads, (scratch) => {
      runtime.run('contractItems', batch, nanoseconds, [
        ...[a.address, a.vectorStride, a.elementStride, a.itemStride],
        ...[b.address, b.vectorStride, b.elementStride, b.itemStride],
        ...[m, k, n, out, contractionBits.left, contractionBits.right, scratch, threadBytes],
        ...[leftScales, needsCorrections ? corrections : 0, right, rightScales, partialSums],
      ]);
    });
    return;
  }
  const multiply = (byStrassen: boolean): void => {
    const side = byStrassen ? strassenSide : tileSide;
    const partialBytes = (sizes.partialSums / tileBytes) * side * side * 4;
    const threadBytes = partialBytes + (byStrassen ? side * side * 4 : 0);
    const leftSums = align(operandBytes);
    const rightSums = leftSums + (byStrassen ? align(strassenSumBytes(m, k)) : 0);
    const threadsAt = rightSums + (byStrassen ? align(strassenSumBytes(n, k)) : 0);
    runtime.withScratch(threadsAt + threadBytes * runtime.threads, (scratch) => {
      for (let item = 0; item < batch; item++) {
        const correctionsAt = needsCorrections ? scratch + corrections : 0;
        pack(runtime, a, item, m, k, leftPanel, contractionBits.left, scratch, scratch + leftScales, correctionsAt);
        pack(runtime, b, item, n, k, rightPanel, contractionBits.right, scratch + right, scratch + rightScales, 0);
        if (byStrassen)
          runtime.run('addQuarters', strassenUnits(m, k) + strassenUnits(n, k), Math.min(k, contractionBlock) * 30, [
            ...[scratch, scratch + leftSums, scratch + right, scratch + rightSums, m, k, n],
          ]);
        const tiles = Math.ceil(m / side) * Math.ceil(n / side);
        runtime.run('multiplyTiles', tiles, ((m * n) / tiles) * k * nanosecondsOfProduct, [
          ...[scratch, scratch + leftScales, correctionsAt, scratch + right, scratch + rightScales],
          ...[m, k, n, out + item * m * n * 4, n * 4, scratch + threadsAt, threadBytes],
          ...(byStrassen ? [scratch + leftSums, scratch + rightSums, partialBytes] : [0, 0, 0]),
        ]);
      }
    });
  };
  if (suitsStrassen(runtime.format, m, k, n))
    try {
      multiply(true);
      return;
    } catch (error) {
      // The plain way needs less memory.
      if (!(error instanceof ExactMemoryError)) throw error;
    }
  multiply(false);
}

/** Packs all vectors of one item. */
export function pack(
  runtime: WasmRuntime,
  operand: OperandLayout,
  item: number,
  count: number,
  length: number,
  panelWidth: number,
  bits: number,
  packed: number,
  scales: number,
  corrections: number,
): void {
  const groups = Math.ceil(Math.ceil(count / 4) / 16);
  runtime.run(
    'packBlocks',
    Math.ceil(length / contractionBlock) * groups,
    64 * Math.min(length, contractionBlock) * nanosecondsOfPacking,
    [
      ...[operand.address + item * operand.itemStride, operand.vectorStride, operand.elementStride],
      ...[count, length, panelWidth, bits, packed, scales, corrections],
    ],
  );
}

/** Where the vectors of a matrix lie: one after another, or side by side as columns. */
export function matrixLayout(
  address: number,
  areColumns: boolean,
  count: number,
  length: number,
  itemStride: number,
): OperandLayout {
  return areColumns
    ? { address, vectorStride: 4, elementStride: count * 4, itemStride: itemStride * 4 }
    : { address, vectorStride: length * 4, elementStride: 4, itemStride: itemStride * 4 };
}

export function matMul(
  runtime: WasmRuntime,
  out: Float32Array,
  a: Float32Array,
  b: Float32Array,
  shape: MatMulShape,
): void {
  const { m, k, n } = shape;
  contractItems(
    runtime,
    out.byteOffset,
    matrixLayout(a.byteOffset, shape.transposeA, m, k, shape.aBatchStride),
    matrixLayout(b.byteOffset, !shape.transposeB, n, k, shape.bBatchStride),
    shape,
  );
}
