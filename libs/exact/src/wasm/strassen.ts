import { contractionBlock } from '../contraction-ranges.ts';
import type { PackedFormat } from './packed-format.ts';

/** Side of the tiles that assembly/strassen.ts multiplies by seven products in place of eight. */
export const strassenSide = 128;
const shortestBlock = 256;
const sumsOfQuarters = 5;

/** Whether a contraction is large enough, and its operands have room for sums. */
export const suitsStrassen = (format: PackedFormat, m: number, k: number, n: number): boolean =>
  format === 'int16' &&
  m >= 2 * strassenSide &&
  n >= 2 * strassenSide &&
  k >= shortestBlock &&
  Math.min(k, contractionBlock) % 8 === 0;

/** Full tiles along an operand, in all of its blocks. */
export const strassenUnits = (count: number, k: number): number =>
  Math.floor(count / strassenSide) * Math.ceil(k / contractionBlock);

/** Bytes of the sums of quarters of an operand. */
export const strassenSumBytes = (count: number, k: number): number =>
  strassenUnits(count, k) * sumsOfQuarters * (strassenSide / 2) * Math.min(k, contractionBlock);
