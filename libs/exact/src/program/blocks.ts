// §6.1 and §6.2 over whole vectors, in loops that a compiler likes.
import { contractionBits, contractionRanges } from '../contraction-ranges.ts';
import { powerOfTwo } from '../reference/float.ts';

/** Adding and subtracting it rounds a double below 2^51 to the nearest integer, ties to even. */
const rounder = 1.5 * 2 ** 52;
const { fround } = Math;

/** A stretch of elements: x[start + i * stride] for i < length. */
export interface Stretch {
  start: number;
  stride: number;
  length: number;
}

/** §6.1; `bits` views the floats as integers, whose order is that of the magnitudes. */
export function blockExponent(bits: Int32Array, { start, stride, length }: Stretch): number {
  let largest = 0;
  for (let i = 0, at = start; i < length; i++, at += stride) {
    const magnitude = (bits[at] as number) & 0x7fffffff;
    if (magnitude > largest) largest = magnitude;
  }
  return largest === 0 ? -99 : (largest >> 23) - 126;
}

/** §6.2, into `out` from `at` on. */
export function quantiseBlock(
  out: Int8Array,
  at: number,
  x: Float32Array,
  { start, stride, length }: Stretch,
  exponent: number,
): void {
  const scale = powerOfTwo(contractionBits.left - exponent);
  const range = contractionRanges.left;
  for (let i = 0, from = start; i < length; i++, from += stride) {
    const rounded = fround((x[from] as number) * scale) + rounder - rounder;
    out[at + i] = rounded > range ? range : rounded < -range ? -range : rounded;
  }
}

/**
 * Floats that quantise to the same integers with the same exponent, so that a product of floats multiplies exactly these:
 * q * 2^(e - 7). The largest magnitude of a block is from 64 to 127, so that it has the exponent e again.
 */
export function dequantiseBlock(
  out: Float32Array,
  at: number,
  quantised: Int8Array,
  start: number,
  length: number,
  exponent: number,
): void {
  const scale = powerOfTwo(exponent - contractionBits.left);
  for (let i = 0; i < length; i++) out[at + i] = (quantised[start + i] as number) * scale;
}
