import type { KernelExports, WasmVariant } from './module.ts';

/** How operands of a contraction are packed; see assembly/format.ts. */
export const packedFormats = {
  int16: { number: 0, elementBytes: 2 },
  int8Offset: { number: 1, elementBytes: 1 },
  int8: { number: 2, elementBytes: 1 },
} as const;
export type PackedFormat = keyof typeof packedFormats;

/** The same int8 four times. */
const fours = (value: number): number => (value & 0xff) * 0x01010101;

/**
 * Relaxed SIMD's dot product of int8 is defined while its right operand has 7 bits. Beyond, a processor multiplies signed
 * by signed, or signed by unsigned, or saturates; but always the same, so that one look decides. The first two compute our
 * 8 bits exactly at twice the speed of int16.
 */
export function chooseFormat(variant: WasmVariant, exports: KernelExports): PackedFormat {
  if (variant === 'scalar') return 'int8';
  if (variant === 'simd') return 'int16';
  const lefts = [127, -127, 1];
  const rights = [1, 127, 128, 129, 254, 255];
  const multiplies = (asRead: (right: number) => number): boolean =>
    lefts.every((left) =>
      rights.every((right) => exports.dotOfFours(fours(left), fours(right)) === 4 * left * asRead(right)),
    );
  if (multiplies((right) => right)) return 'int8Offset';
  if (multiplies((right) => (right << 24) >> 24)) return 'int8';
  return 'int16';
}
