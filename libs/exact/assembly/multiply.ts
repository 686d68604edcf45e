// §6.3 to §6.5: integer products of packed panels, rescaled, and the sum S over the blocks of 1,024 elements.
import {
  addDotOfFours,
  block,
  elementBytes,
  format,
  formatInt16,
  formatInt8Offset,
  leftPanel,
  paddedLength,
  rightPanel,
} from './format';
import { multiplyByStrassen, strassenSide, suitsStrassen, sumsBytes } from './strassen';
import { toValue } from './values';

/** Side of the tile of the result that is computed through all blocks at a time: its operands stay in the caches. */
export const tileSide: i32 = 64;

/** A contraction's packed operands. Set for each part of the work, in each thread. */
let left: usize = 0;
let leftScales: usize = 0;
let leftCorrections: usize = 0;
let right: usize = 0;
let rightScales: usize = 0;
let leftCount: i32 = 0; // padded
let rightCount: i32 = 0; // padded
let length: i32 = 0;
let buffers: usize = 0;
/** Side of the tiles, and what Strassen's way needs: sums of quarters (0: the plain way), and a tile of int32. */
let side: i32 = tileSide;
let leftSums: usize = 0;
let rightSums: usize = 0;
let accumulators: usize = 0;

/** For tiles of Strassen's side; after `setContraction`, which sets the plain way. */
export function setStrassen(leftSum: usize, rightSum: usize, accumulator: usize): void {
  side = strassenSide;
  leftSums = leftSum;
  rightSums = rightSum;
  accumulators = accumulator;
}

/** `partialSums` has room for a tile by each level of the tree that adds the blocks, and one. */
export function setContraction(
  leftPacked: usize,
  leftScale: usize,
  leftCorrection: usize,
  rightPacked: usize,
  rightScale: usize,
  m: i32,
  k: i32,
  n: i32,
  partialSums: usize,
): void {
  left = leftPacked;
  leftScales = leftScale;
  leftCorrections = leftCorrection;
  right = rightPacked;
  rightScales = rightScale;
  leftCount = (m + 3) & ~3;
  rightCount = (n + 7) & ~7;
  length = k;
  buffers = partialSums;
  side = tileSide;
  leftSums = 0;
}

/** The tile with its upper left corner at (row, column); `out` is the corner's address, outStride in bytes. */
export function multiplyTile(row: i32, column: i32, rows: i32, columns: i32, out: usize, outStride: usize): void {
  const blocks = (length + block - 1) / block;
  if (blocks == 0) clearTile(rows, columns, out, outStride);
  else sumOfBlocks(0, blocks, row, column, rows, columns, out, outStride, buffers);
}

function clearTile(rows: i32, columns: i32, out: usize, outStride: usize): void {
  for (let i = 0; i < rows; i++) {
    memory.fill(out, 0, (<usize>columns) << 2);
    out += outStride;
  }
}

/** S over `count` blocks: more than 64 are cut into runs of 64^d blocks, at most 64 of them. */
function sumOfBlocks(
  first: i32,
  count: i32,
  row: i32,
  column: i32,
  rows: i32,
  columns: i32,
  out: usize,
  outStride: usize,
  buffer: usize,
): void {
  if (count == 1) {
    multiplyBlock(first, row, column, rows, columns, out, outStride);
    return;
  }
  let span = 1;
  while (span << 6 < count) span <<= 6;
  sumOfEvery(1, 0, (count + span - 1) / span, span, first, count, row, column, rows, columns, out, outStride, buffer);
  for (let i = 0; i < rows; i++) {
    valuesInRow(out + <usize>i * outStride, columns);
  }
}

/**
 * The sum of the leaves start, start + stride, .. below `leaves`, by halves as S adds them: those of even rank, then
 * those of odd rank. A leaf is a run of `span` blocks.
 */
function sumOfEvery(
  stride: i32,
  start: i32,
  leaves: i32,
  span: i32,
  first: i32,
  count: i32,
  row: i32,
  column: i32,
  rows: i32,
  columns: i32,
  out: usize,
  outStride: usize,
  buffer: usize,
): void {
  if (start + stride >= leaves) {
    const from = start * span;
    sumOfBlocks(first + from, min(span, count - from), row, column, rows, columns, out, outStride, buffer);
    return;
  }
  const next = buffer + <usize>(side * side * 4);
  const bufferStride = <usize>(side * 4);
  sumOfEvery(stride << 1, start, leaves, span, first, count, row, column, rows, columns, out, outStride, buffer);
  sumOfEvery(
    stride << 1,
    start + stride,
    leaves,
    span,
    first,
    count,
    row,
    column,
    rows,
    columns,
    buffer,
    bufferStride,
    next,
  );
  for (let i = 0; i < rows; i++) addRow(out + <usize>i * outStride, buffer + <usize>i * bufferStride, columns);
}

/** out = out + x, plain. */
function addRow(out: usize, x: usize, columns: i32): void {
  let j = 0;
  if (ASC_FEATURE_SIMD)
    for (; j + 4 <= columns; j += 4) {
      v128.store(out, f32x4.add(v128.load(out), v128.load(x)));
      out += 16;
      x += 16;
    }
  for (; j < columns; j++) {
    store<f32>(out, load<f32>(out) + load<f32>(x));
    out += 4;
    x += 4;
  }
}

function valuesInRow(out: usize, columns: i32): void {
  let j = 0;
  if (ASC_FEATURE_SIMD)
    for (; j + 4 <= columns; j += 4) {
      v128.store(out, toValue<v128>(v128.load(out)));
      out += 16;
    }
  for (; j < columns; j++) {
    store<f32>(out, toValue<f32>(load<f32>(out)));
    out += 4;
  }
}

/** One block's part of a tile: panel by panel of the right operand, which stays in the first cache. */
function multiplyBlock(index: i32, row: i32, column: i32, rows: i32, columns: i32, out: usize, outStride: usize): void {
  const inBlock = min(block, length - index * block);
  const bytes = <usize>(paddedLength(inBlock) * elementBytes());
  const blockBytes = <usize>(block * elementBytes());
  const leftBlock = left + <usize>index * leftCount * blockBytes;
  const rightBlock = right + <usize>index * rightCount * blockBytes;
  const leftScale = leftScales + ((<usize>(index * leftCount)) << 2);
  const leftCorrection = leftCorrections + ((<usize>(index * leftCount)) << 2);
  const rightScale = rightScales + ((<usize>(index * rightCount)) << 2);
  if (ASC_FEATURE_SIMD)
    if (leftSums != 0 && rows == strassenSide && columns == strassenSide && suitsStrassen(inBlock)) {
      const stride = sumsBytes(min(block, length));
      multiplyByStrassen(
        leftBlock + <usize>row * bytes,
        leftSums + <usize>(index * (leftCount / strassenSide) + row / strassenSide) * stride,
        rightBlock + <usize>column * bytes,
        rightSums + <usize>(index * (rightCount / strassenSide) + column / strassenSide) * stride,
        inBlock,
        leftScale + ((<usize>row) << 2),
        rightScale + ((<usize>column) << 2),
        accumulators,
        out,
        outStride,
      );
      return;
    }
  for (let j = 0; j < columns; j += rightPanel) {
    const rightPart = rightBlock + <usize>(column + j) * bytes;
    const rightScalesAt = rightScale + ((<usize>(column + j)) << 2);
    const wide = min(rightPanel, columns - j);
    for (let i = 0; i < rows; i += leftPanel) {
      const leftPart = leftBlock + <usize>(row + i) * bytes;
      const scalesAt = leftScale + ((<usize>(row + i)) << 2);
      const to = out + <usize>i * outStride + ((<usize>j) << 2);
      const high = min(leftPanel, rows - i);
      if (ASC_FEATURE_SIMD) {
        if (format == formatInt16)
          multiply16(leftPart, rightPart, bytes, scalesAt, rightScalesAt, to, outStride, high, wide);
        else
          multiply8(
            leftPart,
            rightPart,
            bytes,
            leftCorrection + ((<usize>(row + i)) << 2),
            scalesAt,
            rightScalesAt,
            to,
            outStride,
            high,
            wide,
          );
      } else multiplyScalars(leftPart, rightPart, bytes, scalesAt, rightScalesAt, to, outStride, high, wide);
    }
  }
}

/** Four rows by eight columns of int16 pairs. `bytes` is the length of a vector in its panel. */
function multiply16(
  a: usize,
  b: usize,
  bytes: usize,
  aScales: usize,
  bScales: usize,
  out: usize,
  outStride: usize,
  rows: i32,
  columns: i32,
): void {
  let c00 = i32x4.splat(0);
  let c01 = c00;
  let c10 = c00;
  let c11 = c00;
  let c20 = c00;
  let c21 = c00;
  let c30 = c00;
  let c31 = c00;
  const end = a + bytes * leftPanel;
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
  const s0 = v128.load(bScales);
  const s1 = v128.load(bScales, 16);
  storeRow(c00, c01, load<f32>(aScales), s0, s1, out, columns);
  if (rows > 1) storeRow(c10, c11, load<f32>(aScales, 4), s0, s1, out + outStride, columns);
  if (rows > 2) storeRow(c20, c21, load<f32>(aScales, 8), s0, s1, out + outStride * 2, columns);
  if (rows > 3) storeRow(c30, c31, load<f32>(aScales, 12), s0, s1, out + outStride * 3, columns);
}

/** Four rows by eight columns of int8 fours. The sums start at the correction for the right operand's offset. */
function multiply8(
  a: usize,
  b: usize,
  bytes: usize,
  corrections: usize,
  aScales: usize,
  bScales: usize,
  out: usize,
  outStride: usize,
  rows: i32,
  columns: i32,
): void {
  let c00 = i32x4.splat(0);
  let c10 = c00;
  let c20 = c00;
  let c30 = c00;
  if (format == formatInt8Offset) {
    c00 = v128.load32_splat(corrections);
    c10 = v128.load32_splat(corrections, 4);
    c20 = v128.load32_splat(corrections, 8);
    c30 = v128.load32_splat(corrections, 12);
  }
  let c01 = c00;
  let c11 = c10;
  let c21 = c20;
  let c31 = c30;
  const end = a + bytes * leftPanel;
  while (a < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a);
    c00 = addDotOfFours(x, b0, c00);
    c01 = addDotOfFours(x, b1, c01);
    x = v128.load32_splat(a, 4);
    c10 = addDotOfFours(x, b0, c10);
    c11 = addDotOfFours(x, b1, c11);
    x = v128.load32_splat(a, 8);
    c20 = addDotOfFours(x, b0, c20);
    c21 = addDotOfFours(x, b1, c21);
    x = v128.load32_splat(a, 12);
    c30 = addDotOfFours(x, b0, c30);
    c31 = addDotOfFours(x, b1, c31);
    a += 16;
    b += 32;
  }
  const s0 = v128.load(bScales);
  const s1 = v128.load(bScales, 16);
  storeRow(c00, c01, load<f32>(aScales), s0, s1, out, columns);
  if (rows > 1) storeRow(c10, c11, load<f32>(aScales, 4), s0, s1, out + outStride, columns);
  if (rows > 2) storeRow(c20, c21, load<f32>(aScales, 8), s0, s1, out + outStride * 2, columns);
  if (rows > 3) storeRow(c30, c31, load<f32>(aScales, 12), s0, s1, out + outStride * 3, columns);
}

/** §6.4: (sum * left scale) * right scale. */
export function rescaled(sums: v128, leftScale: v128, rightScales4: v128): v128 {
  return toValue<v128>(f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(sums), leftScale), rightScales4));
}

function storeRow(c0: v128, c1: v128, leftScale: f32, s0: v128, s1: v128, out: usize, columns: i32): void {
  const scale = f32x4.splat(leftScale);
  const v0 = rescaled(c0, scale, s0);
  const v1 = rescaled(c1, scale, s1);
  if (columns == rightPanel) {
    v128.store(out, v0);
    v128.store(out, v1, 16);
  } else if (columns >= 4) {
    v128.store(out, v0);
    storeFew(out + 16, v1, columns - 4);
  } else storeFew(out, v0, columns);
}

/** Up to three lanes. */
export function storeFew(out: usize, x: v128, count: i32): void {
  if (count == 1) v128.store_lane<f32>(out, x, 0);
  else if (count >= 2) {
    v128.store_lane<i64>(out, x, 0);
    if (count == 3) v128.store_lane<f32>(out + 8, x, 2);
  }
}

function multiplyScalars(
  a: usize,
  b: usize,
  bytes: usize,
  aScales: usize,
  bScales: usize,
  out: usize,
  outStride: usize,
  rows: i32,
  columns: i32,
): void {
  const steps = bytes >> 2;
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) {
      let sum = 0;
      let x = a + <usize>(i << 2);
      let y = b + <usize>(j << 2);
      for (let s: usize = 0; s < steps; s++) {
        sum += <i32>load<i8>(x) * <i32>load<i8>(y);
        sum += <i32>load<i8>(x, 1) * <i32>load<i8>(y, 1);
        sum += <i32>load<i8>(x, 2) * <i32>load<i8>(y, 2);
        sum += <i32>load<i8>(x, 3) * <i32>load<i8>(y, 3);
        x += 16;
        y += 32;
      }
      const v = f32(sum) * load<f32>(aScales + <usize>(i << 2)) * load<f32>(bScales + <usize>(j << 2));
      store<f32>(out + <usize>i * outStride + <usize>(j << 2), toValue<f32>(v));
    }
}
