// Strassen's seven products in place of eight. Over integers they give the same sums, bit for bit; int16 has room for the
// sums of two int8 that they need. Only full tiles of 128 by 128 are computed so; everything else takes the plain way.
import { leftPanel, rightPanel } from './format';
import { rescaled } from './multiply';

/** Sides of a tile and of its quarters. */
export const strassenSide: i32 = 128;
const quarter: i32 = 64;
const leftPanels: i32 = quarter / leftPanel;
const rightPanels: i32 = quarter / rightPanel;
/** Sums and differences of quarters that each operand needs beside its quarters. */
const sums: i32 = 5;

/** Whether blocks of this length are worth it, and their halves are whole steps of panels. */
export function suitsStrassen(length: i32): bool {
  return length >= 256 && (length & 7) == 0;
}

/** Bytes of the sums of one tile's rows (or columns) in a block of `length`. */
export function sumsBytes(length: i32): usize {
  return <usize>(sums * quarter * length); // half of the length, two bytes each
}

/** to = a + b, or a - b, of int16. */
function combine(to: usize, a: usize, b: usize, bytes: usize, subtracts: bool): void {
  if (ASC_FEATURE_SIMD) {
    if (subtracts)
      for (let at: usize = 0; at < bytes; at += 16)
        v128.store(to + at, i16x8.sub(v128.load(a + at), v128.load(b + at)));
    else
      for (let at: usize = 0; at < bytes; at += 16)
        v128.store(to + at, i16x8.add(v128.load(a + at), v128.load(b + at)));
  }
}

/**
 * Writes the sums of quarters of one tile's panels at `packed`, panel by panel: of the left operand 11 + 22, 21 + 22,
 * 11 + 12, 21 - 11, 12 - 22; of the right one 11 + 22, 12 - 22, 21 - 11, 11 + 12, 21 + 22. A quarter's first index is the row.
 */
export function addQuarters(packed: usize, to: usize, length: i32, isLeft: bool): void {
  const width = isLeft ? leftPanel : rightPanel;
  const panels = isLeft ? leftPanels : rightPanels;
  const half = <usize>(width * length); // bytes of half of a panel
  const all = <usize>panels * half;
  for (let p = 0; p < panels; p++) {
    const near = packed + <usize>p * half * 2;
    const far = packed + <usize>(p + panels) * half * 2;
    // In the left operand the far panels are the lower rows; in the right one, the columns beyond.
    const q11 = near;
    const q12 = isLeft ? near + half : far;
    const q21 = isLeft ? far : near + half;
    const q22 = far + half;
    const out = to + <usize>p * half;
    combine(out, q11, q22, half, false);
    if (isLeft) {
      combine(out + all, q21, q22, half, false);
      combine(out + all * 2, q11, q12, half, false);
      combine(out + all * 3, q21, q11, half, true);
      combine(out + all * 4, q12, q22, half, true);
    } else {
      combine(out + all, q12, q22, half, true);
      combine(out + all * 2, q21, q11, half, true);
      combine(out + all * 3, q11, q12, half, false);
      combine(out + all * 4, q21, q22, half, false);
    }
  }
}

/**
 * One block's part of a tile. `left` and `right` are its first panels, the sums those of `addQuarters`; `accumulators`
 * holds 128 by 128 int32.
 */
export function multiplyByStrassen(
  left: usize,
  leftSums: usize,
  right: usize,
  rightSums: usize,
  length: i32,
  leftScales: usize,
  rightScales: usize,
  accumulators: usize,
  out: usize,
  outStride: usize,
): void {
  const leftHalf = <usize>(leftPanel * length);
  const rightHalf = <usize>(rightPanel * length);
  const leftAll = <usize>leftPanels * leftHalf;
  const rightAll = <usize>rightPanels * rightHalf;
  const left22 = left + leftAll * 2 + leftHalf;
  const right22 = right + rightAll * 2 + rightHalf;
  const c11 = accumulators;
  const c12 = c11 + quarter * 4;
  const c21 = c11 + quarter * strassenSide * 4;
  const c22 = c21 + quarter * 4;
  memory.fill(accumulators, 0, strassenSide * strassenSide * 4);
  // Quarters of the operands themselves lie in panels of twice the length.
  multiplyQuarter(leftSums, leftHalf, rightSums, rightHalf, length, c11, c22, false);
  multiplyQuarter(leftSums + leftAll, leftHalf, right, rightHalf * 2, length, c21, c22, true);
  multiplyQuarter(left, leftHalf * 2, rightSums + rightAll, rightHalf, length, c12, c22, false);
  multiplyQuarter(left22, leftHalf * 2, rightSums + rightAll * 2, rightHalf, length, c11, c21, false);
  multiplyQuarter(leftSums + leftAll * 2, leftHalf, right22, rightHalf * 2, length, c12, c11, true);
  multiplyQuarter(leftSums + leftAll * 3, leftHalf, rightSums + rightAll * 3, rightHalf, length, c22, 0, false);
  multiplyQuarter(leftSums + leftAll * 4, leftHalf, rightSums + rightAll * 4, rightHalf, length, c11, 0, false);
  for (let i = 0; i < strassenSide; i++) {
    const scale = v128.load32_splat(leftScales + ((<usize>i) << 2));
    const row = accumulators + ((<usize>(i * strassenSide)) << 2);
    const to = out + <usize>i * outStride;
    for (let j: usize = 0; j < <usize>(strassenSide * 4); j += 16)
      v128.store(to + j, rescaled(v128.load(row + j), scale, v128.load(rightScales + j)));
  }
}

/** Adds (or subtracts) the product of two quarters to one or two quarters of the result. */
function multiplyQuarter(
  left: usize,
  leftStride: usize,
  right: usize,
  rightStride: usize,
  length: i32,
  first: usize,
  second: usize,
  subtractsFromSecond: bool,
): void {
  for (let j = 0; j < rightPanels; j++)
    for (let i = 0; i < leftPanels; i++) {
      const offset = (<usize>(i * leftPanel * strassenSide + j * rightPanel)) << 2;
      accumulate16(
        left + <usize>i * leftStride,
        right + <usize>j * rightStride,
        <usize>(leftPanel * length),
        first + offset,
        second == 0 ? 0 : second + offset,
        subtractsFromSecond,
      );
    }
}

function addRow(c0: v128, c1: v128, first: usize, second: usize, subtracts: bool): void {
  v128.store(first, i32x4.add(v128.load(first), c0));
  v128.store(first, i32x4.add(v128.load(first, 16), c1), 16);
  if (second == 0) return;
  if (subtracts) {
    c0 = i32x4.neg(c0);
    c1 = i32x4.neg(c1);
  }
  v128.store(second, i32x4.add(v128.load(second), c0));
  v128.store(second, i32x4.add(v128.load(second, 16), c1), 16);
}

/** Four rows by eight columns of int16 pairs, added to the accumulators. `bytes` is the length of the left panel. */
function accumulate16(a: usize, b: usize, bytes: usize, first: usize, second: usize, subtracts: bool): void {
  let c00 = i32x4.splat(0);
  let c01 = c00;
  let c10 = c00;
  let c11 = c00;
  let c20 = c00;
  let c21 = c00;
  let c30 = c00;
  let c31 = c00;
  const end = a + bytes;
  while (a < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a);
    c00 = i32x4.add(c00, i32x4.dot_i16x8_s(x, b0));
    c01 = i32x4.add(c01, i32x4.dot_i16x8_s(x, b1));
    x = v128.load32_splat(a, 4);
    c10 = i32x4.add(c10, i32x4.dot_i16x8_s(x, b0));
    c11 = i32x4.add(c11, i32x4.dot_i16x8_s(x, b1));
    x = v128.load32_splat(a, 8);
    c20 = i32x4.add(c20, i32x4.dot_i16x8_s(x, b0));
    c21 = i32x4.add(c21, i32x4.dot_i16x8_s(x, b1));
    x = v128.load32_splat(a, 12);
    c30 = i32x4.add(c30, i32x4.dot_i16x8_s(x, b0));
    c31 = i32x4.add(c31, i32x4.dot_i16x8_s(x, b1));
    a += 16;
    b += 32;
  }
  const row: usize = strassenSide * 4;
  addRow(c00, c01, first, second, subtracts);
  addRow(c10, c11, first + row, second == 0 ? 0 : second + row, subtracts);
  addRow(c20, c21, first + row * 2, second == 0 ? 0 : second + row * 2, subtracts);
  addRow(c30, c31, first + row * 3, second == 0 ? 0 : second + row * 3, subtracts);
}
