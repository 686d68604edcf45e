// §5: sums by halves of blocks of 64, and what else reduces the middle axis of [outer, length, inner].
import { largestValue, leastValue } from './constants';
import { addressArgument, argument } from './job';
import { larger, plus, smaller } from './lanes';
import { div, mul, toValue } from './values';

/** Columns that are reduced together: half a block of them fits the first cache. */
export const stripe: i32 = 64;
const blockLength: i32 = 64;

// A reduction: how two elements combine, what is done to a block's result, and the element that changes nothing.
export class Sum {
  combine<T>(a: T, b: T): T {
    return plus<T>(a, b);
  }
  finish<T>(x: T): T {
    return toValue<T>(x);
  }
  neutral(): f32 {
    return 0;
  }
}
class Prod {
  combine<T>(a: T, b: T): T {
    return mul<T>(a, b);
  }
  finish<T>(x: T): T {
    return x;
  }
  neutral(): f32 {
    return 1;
  }
}
export class Max {
  combine<T>(a: T, b: T): T {
    return larger<T>(a, b);
  }
  finish<T>(x: T): T {
    return x;
  }
  neutral(): f32 {
    return load<f32>(leastValue);
  }
}
class Min {
  combine<T>(a: T, b: T): T {
    return smaller<T>(a, b);
  }
  finish<T>(x: T): T {
    return x;
  }
  neutral(): f32 {
    return load<f32>(largestValue);
  }
}

// -- a row: neighbours in memory -------------------------------------------------------------------------------------

/** A block of up to 64 neighbours. `room` holds 64 floats, for blocks that are not full. */
function blockOfRow<R>(x: usize, count: i32, room: usize): f32 {
  const r = changetype<R>(0);
  if (ASC_FEATURE_SIMD) {
    let size = blockLength;
    if (count < blockLength) {
      size = 4;
      while (size < count) size <<= 1;
      const neutral = f32x4.splat(r.neutral());
      for (let i = 0; i < size; i += 4) v128.store(room + ((<usize>i) << 2), neutral);
      memory.copy(room, x, (<usize>count) << 2);
      x = room;
    }
    let v = v128.load(x);
    if (size == 64) {
      const even = r.combine<v128>(quarter<R>(x, 0), quarter<R>(x, 32));
      v = r.combine<v128>(even, r.combine<v128>(quarter<R>(x, 16), quarter<R>(x, 48)));
    } else if (size == 32) {
      const a = r.combine<v128>(
        r.combine<v128>(v, v128.load(x, 64)),
        r.combine<v128>(v128.load(x, 32), v128.load(x, 96)),
      );
      const b = r.combine<v128>(
        r.combine<v128>(v128.load(x, 16), v128.load(x, 80)),
        r.combine<v128>(v128.load(x, 48), v128.load(x, 112)),
      );
      v = r.combine<v128>(a, b);
    } else if (size == 16) {
      const a = r.combine<v128>(v, v128.load(x, 32));
      v = r.combine<v128>(a, r.combine<v128>(v128.load(x, 16), v128.load(x, 48)));
    } else if (size == 8) v = r.combine<v128>(v, v128.load(x, 16));
    v = r.combine<v128>(v, v128.shuffle<f32>(v, v, 2, 3, 2, 3));
    v = r.combine<v128>(v, v128.shuffle<f32>(v, v, 1, 1, 1, 1));
    return r.finish<f32>(f32x4.extract_lane(v, 0));
  }
  let half = 1;
  while (half << 1 < count) half <<= 1;
  if (count == 1) return r.finish<f32>(load<f32>(x));
  for (let i = 0; i < half; i++) {
    const at = (<usize>i) << 2;
    const other = at + ((<usize>half) << 2);
    const first = load<f32>(x + at);
    store<f32>(room + at, i + half < count ? r.combine<f32>(first, load<f32>(x + other)) : first);
  }
  for (half >>= 1; half >= 1; half >>= 1)
    for (let i = 0; i < half; i++) {
      const at = room + ((<usize>i) << 2);
      store<f32>(at, r.combine<f32>(load<f32>(at), load<f32>(at + ((<usize>half) << 2))));
    }
  return r.finish<f32>(load<f32>(room));
}

/**
 * The elements whose vectors are congruent to that at `offset` (bytes) modulo 64 bytes, combined by halves: of the 16
 * vectors v of a block, (v + (v+8)) + ((v+4) + (v+12)).
 */
function quarter<R>(x: usize, offset: usize): v128 {
  const r = changetype<R>(0);
  const at = x + offset;
  const a = r.combine<v128>(v128.load(at), v128.load(at, 128));
  const b = r.combine<v128>(v128.load(at, 64), v128.load(at, 192));
  return r.combine<v128>(a, b);
}

/** Reduces a row. `scratch` holds a block and the results of all blocks, then of their blocks, and so on. */
export function reduceRow<R>(x: usize, length: i32, scratch: usize): f32 {
  if (length == 0) return changetype<R>(0).neutral();
  const room = scratch;
  let results = scratch + blockLength * 4;
  while (length > blockLength) {
    const blocks = (length + blockLength - 1) / blockLength;
    for (let b = 0; b < blocks; b++) {
      const first = b * blockLength;
      const part = blockOfRow<R>(x + ((<usize>first) << 2), min(blockLength, length - first), room);
      store<f32>(results + ((<usize>b) << 2), part);
    }
    x = results;
    results += (<usize>blocks) << 2;
    length = blocks;
  }
  return blockOfRow<R>(x, length, room);
}

// -- a stripe: columns side by side ----------------------------------------------------------------------------------

/** One row of `width` floats from two. `out` may be `a`. */
function combineRows<R>(out: usize, a: usize, b: usize, width: i32): void {
  const r = changetype<R>(0);
  let j = 0;
  if (ASC_FEATURE_SIMD)
    for (; j + 4 <= width; j += 4) {
      v128.store(out, r.combine<v128>(v128.load(a), v128.load(b)));
      out += 16;
      a += 16;
      b += 16;
    }
  for (; j < width; j++) {
    store<f32>(out, r.combine<f32>(load<f32>(a), load<f32>(b)));
    out += 4;
    a += 4;
    b += 4;
  }
}

function finishRow<R>(out: usize, x: usize, width: i32): void {
  const r = changetype<R>(0);
  let j = 0;
  if (ASC_FEATURE_SIMD)
    for (; j + 4 <= width; j += 4) {
      v128.store(out, r.finish<v128>(v128.load(x)));
      out += 16;
      x += 16;
    }
  for (; j < width; j++) {
    store<f32>(out, r.finish<f32>(load<f32>(x)));
    out += 4;
    x += 4;
  }
}

/** A block of up to 64 rows; strides in bytes. `room` holds 32 rows of a stripe. */
function blockOfRows<R>(out: usize, x: usize, stride: usize, count: i32, width: i32, room: usize): void {
  if (count == 1) {
    finishRow<R>(out, x, width);
    return;
  }
  const roomStride: usize = stripe * 4;
  let half = 1;
  while (half << 1 < count) half <<= 1;
  for (let i = 0; i < half; i++) {
    const row = x + <usize>i * stride;
    if (i + half < count) combineRows<R>(room + <usize>i * roomStride, row, row + <usize>half * stride, width);
    else memory.copy(room + <usize>i * roomStride, row, (<usize>width) << 2);
  }
  for (half >>= 1; half >= 1; half >>= 1)
    for (let i = 0; i < half; i++) {
      const row = room + <usize>i * roomStride;
      combineRows<R>(row, row, row + <usize>half * roomStride, width);
    }
  finishRow<R>(out, room, width);
}

/** Reduces `length` rows of up to a stripe's width. */
export function reduceStripe<R>(out: usize, x: usize, stride: usize, length: i32, width: i32, scratch: usize): void {
  if (length == 0) {
    for (let j = 0; j < width; j++) store<f32>(out + ((<usize>j) << 2), changetype<R>(0).neutral());
    return;
  }
  const room = scratch;
  const resultStride: usize = stripe * 4;
  let results = scratch + 32 * resultStride;
  while (length > blockLength) {
    const blocks = (length + blockLength - 1) / blockLength;
    for (let b = 0; b < blocks; b++) {
      const first = b * blockLength;
      const rows = min(blockLength, length - first);
      blockOfRows<R>(results + <usize>b * resultStride, x + <usize>first * stride, stride, rows, width, room);
    }
    x = results;
    stride = resultStride;
    results += <usize>blocks * resultStride;
    length = blocks;
  }
  blockOfRows<R>(out, x, stride, length, width, room);
}

/**
 * Arguments: 0 operation, 1 out, 2 x, 3 length, 4 inner, 5 scratch, 6 its bytes in each thread. With inner = 1, units are
 * rows; otherwise stripes of each outer index.
 */
function over<R>(begin: i32, end: i32, thread: i32): void {
  const out = addressArgument(1);
  const x = addressArgument(2);
  const length = argument(3);
  const inner = argument(4);
  const scratch = addressArgument(5) + <usize>thread * addressArgument(6);
  if (inner == 1) {
    for (let row = begin; row < end; row++)
      store<f32>(out + ((<usize>row) << 2), reduceRow<R>(x + ((<usize>(row * length)) << 2), length, scratch));
    return;
  }
  const stripes = (inner + stripe - 1) / stripe;
  for (let unit = begin; unit < end; unit++) {
    const outer = unit / stripes;
    const column = (unit % stripes) * stripe;
    reduceStripe<R>(
      out + ((<usize>(outer * inner + column)) << 2),
      x + ((<usize>(outer * length * inner + column)) << 2),
      (<usize>inner) << 2,
      length,
      min(stripe, inner - column),
      scratch,
    );
  }
}

export function reduce(begin: i32, end: i32, thread: i32): void {
  switch (argument(0)) {
    case 0:
      return over<Sum>(begin, end, thread);
    case 1:
      over<Sum>(begin, end, thread);
      return divideByLength(begin, end);
    case 2:
      return over<Max>(begin, end, thread);
    case 3:
      return over<Min>(begin, end, thread);
    case 4:
      return over<Prod>(begin, end, thread);
  }
}

/** Divides neighbours by a number. */
export function divideRow(row: usize, count: i32, divisor: f32): void {
  const end = row + ((<usize>count) << 2);
  if (ASC_FEATURE_SIMD) {
    const divisor4 = f32x4.splat(divisor);
    for (; row + 16 <= end; row += 16) v128.store(row, div<v128>(v128.load(row), divisor4));
  }
  for (; row < end; row += 4) store<f32>(row, div<f32>(load<f32>(row), divisor));
}

/** From sums to means, of what these units wrote. */
function divideByLength(begin: i32, end: i32): void {
  const out = addressArgument(1);
  const length = argument(3);
  const inner = argument(4);
  if (length == 0) return;
  const divisor = f32(length);
  if (inner == 1) {
    divideRow(out + ((<usize>begin) << 2), end - begin, divisor);
    return;
  }
  const stripes = (inner + stripe - 1) / stripe;
  for (let unit = begin; unit < end; unit++) {
    const column = (unit % stripes) * stripe;
    const first = (unit / stripes) * inner + column;
    divideRow(out + ((<usize>first) << 2), min(stripe, inner - column), divisor);
  }
}

/** Arguments: 0 whether the smallest is wanted, 1 out, 2 x, 3 length, 4 inner. Units are results. */
export function argReduce(begin: i32, end: i32): void {
  const smallest = argument(0) != 0;
  const length = argument(3);
  const inner = argument(4);
  for (let unit = begin; unit < end; unit++) {
    const first = addressArgument(2) + ((<usize>((unit / inner) * length * inner + (unit % inner))) << 2);
    let best = 0;
    let known = length > 0 ? load<f32>(first) : 0;
    for (let i = 1; i < length; i++) {
      const value = load<f32>(first + ((<usize>(i * inner)) << 2));
      if (smallest ? value < known : value > known) {
        known = value;
        best = i;
      }
    }
    store<i32>(addressArgument(1) + ((<usize>unit) << 2), best);
  }
}
