import type { Operand } from './kernels.ts';

/** §6.2: largest magnitude of a quantised value, by side of the contraction. */
export const contractionRanges: Readonly<Record<Operand, number>> = { left: 127, right: 127 };

/** §6.2: a block with exponent e is scaled by 2^(bits - e): 7 for a range of 127, 6 for 63. */
export const contractionBits: Readonly<Record<Operand, number>> = {
  left: 32 - Math.clz32(contractionRanges.left),
  right: 32 - Math.clz32(contractionRanges.right),
};

/** §6: elements that share an exponent. Sums over a block stay below 2^24. */
export const contractionBlock = 1024;
