// How packed operands are laid out, which depends on what the processor multiplies fastest.
//
// A packed operand is a list of panels of `panelWidth` vectors (4 on the left, 8 on the right). A panel is a list of steps;
// a step holds 4 bytes of each vector: two int16 elements, or four int8 elements. Vectors are padded with zeros to a
// multiple of 4 elements, and a panel's missing vectors hold anything: their sums are never stored.

/** Pairs of int16, for i32x4.dot_i16x8_s: exact everywhere. */
export const formatInt16: i32 = 0;
/** Fours of int8; those of the right operand are stored plus 128, for processors that multiply unsigned by signed. */
export const formatInt8Offset: i32 = 1;
/** Fours of int8, for processors that multiply signed by signed, and for code without SIMD. */
export const formatInt8: i32 = 2;

export const leftPanel: i32 = 4;
export const rightPanel: i32 = 8;

/** §6: elements that share an exponent. */
export const block: i32 = 1024;

export let format: i32 = ASC_FEATURE_SIMD ? formatInt16 : formatInt8;
/** Largest quantised magnitude is 2^bits - 1. */
export let leftBits: i32 = 7;
export let rightBits: i32 = 7;

/** Called once on every instance, before anything else, with what `dotOfFours` showed. */
export function configure(packedFormat: i32, left: i32, right: i32): void {
  format = packedFormat;
  leftBits = left;
  rightBits = right;
}

/** Bytes of one element in a panel. */
export function elementBytes(): i32 {
  return format == formatInt16 ? 2 : 1;
}

/** Elements of a vector that a panel holds. */
export function paddedLength(length: i32): i32 {
  return (length + 3) & ~3;
}

/**
 * sum + left * right, by fours of int8 (the right ones plus 128 in `formatInt8Offset`). Beyond 7 bits of the right operand
 * WebAssembly leaves relaxed SIMD's result open, hence `dotOfFours`; plain SIMD computes every format, at half the speed.
 */
export function addDotOfFours(left: v128, right: v128, sum: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i32x4.relaxed_dot_i8x16_i7x16_add_s(left, right, sum);
  const isOffset = format == formatInt8Offset;
  const rightLow = isOffset ? i16x8.extend_low_i8x16_u(right) : i16x8.extend_low_i8x16_s(right);
  const rightHigh = isOffset ? i16x8.extend_high_i8x16_u(right) : i16x8.extend_high_i8x16_s(right);
  const low = i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(left), rightLow);
  const high = i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(left), rightHigh);
  const even = v128.shuffle<i32>(low, high, 0, 2, 4, 6);
  return i32x4.add(sum, i32x4.add(even, v128.shuffle<i32>(low, high, 1, 3, 5, 7)));
}

/** What this machine makes of the same int8 pair, four times, in relaxed SIMD. */
export function dotOfFours(left: i32, right: i32): i32 {
  if (ASC_FEATURE_RELAXED_SIMD)
    return i32x4.extract_lane(addDotOfFours(i32x4.splat(left), i32x4.splat(right), i32x4.splat(0)), 0);
  return 0;
}
