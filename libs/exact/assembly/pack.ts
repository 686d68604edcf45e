// §6.1 and §6.2: exponents of vectors, and quantised vectors in panels.
import { rounder } from './constants';
import { block, format, formatInt16, formatInt8Offset, elementBytes, paddedLength } from './format';

/** Vectors that one part of the work packs. */
export const packChunk: i32 = 16;

/** Where the vectors of an operand lie, and where they go. Addresses and strides in bytes. */
export class Packing {
  constructor(
    public source: usize,
    public vectorStride: usize,
    public elementStride: usize,
    /** Number of vectors, and their elements in all blocks. */
    public count: i32,
    public length: i32,
    public panelWidth: i32,
    /** 7 for values up to 127. */
    public bits: i32,
    public packed: usize,
    /** 2^(e - bits) by block and vector. */
    public scales: usize,
    /** By block and vector, -128 * the sum of the quantised values; 0 if nobody needs it. */
    public corrections: usize,
  ) {}
}
