// Data that only moves or is counted: §2's N over arrays, §10's rows, strided copies.
import { addressArgument, argument } from './job';
import { toValueFromAny } from './values';
import { reduceStripe, stripe, Sum } from './reduce';

/** Arguments: 0 where the number of changed elements is added up, 1 out, 2 x. Units are elements. */
export function normalise(begin: i32, end: i32): void {
  let at = (<usize>begin) << 2;
  const last = (<usize>end) << 2;
  const out = addressArgument(1);
  const x = addressArgument(2);
  let changed = 0;
  if (ASC_FEATURE_SIMD)
    for (; at + 16 <= last; at += 16) {
      const before = v128.load(x + at);
      const after = toValueFromAny<v128>(before);
      v128.store(out + at, after);
      changed += popcnt<i32>(i32x4.bitmask(i32x4.ne(before, after)));
    }
  for (; at < last; at += 4) {
    const before = load<f32>(x + at);
    const after = toValueFromAny<f32>(before);
    store<f32>(out + at, after);
    changed += <i32>(reinterpret<i32>(before) != reinterpret<i32>(after));
  }
  if (ASC_FEATURE_THREADS) atomic.add<i32>(addressArgument(0), changed);
  else store<i32>(addressArgument(0), load<i32>(addressArgument(0)) + changed);
}

/** Arguments: 0 out, 1 x, 2 indices, 3 rows of the table, 4 width. Units are indices. */
export function gatherRows(begin: i32, end: i32): void {
  const bytes = (<usize>argument(4)) << 2;
  for (let i = begin; i < end; i++) {
    const index = load<i32>(addressArgument(2) + ((<usize>i) << 2));
    const out = addressArgument(0) + <usize>i * bytes;
    if (index >= 0 && index < argument(3)) memory.copy(out, addressArgument(1) + <usize>index * bytes, bytes);
    else memory.fill(out, 0, bytes);
  }
}

/**
 * Arguments: 0 out, 1 x, 2 rows of x ordered by segment, 3 where each segment's rows start in that list, and where the
 * last ends, 4 width, 5 scratch, 6 its bytes in each thread, 7 bytes of a segment's rows in it. Units are segments.
 */
export function segmentSum(begin: i32, end: i32, thread: i32): void {
  const width = argument(4);
  const bytes = (<usize>width) << 2;
  const scratch = addressArgument(5) + <usize>thread * addressArgument(6);
  const working = scratch + addressArgument(7);
  const stripeBytes: usize = stripe * 4;
  for (let segment = begin; segment < end; segment++) {
    const first = load<i32>(addressArgument(3) + ((<usize>segment) << 2));
    const count = load<i32>(addressArgument(3) + ((<usize>segment) << 2), 4) - first;
    for (let column = 0; column < width; column += stripe) {
      const wide = min(stripe, width - column);
      for (let i = 0; i < count; i++) {
        const row = load<i32>(addressArgument(2) + ((<usize>(first + i)) << 2));
        memory.copy(
          scratch + <usize>i * stripeBytes,
          addressArgument(1) + <usize>row * bytes + ((<usize>column) << 2),
          (<usize>wide) << 2,
        );
      }
      const out = addressArgument(0) + <usize>segment * bytes + ((<usize>column) << 2);
      reduceStripe<Sum>(out, scratch, stripeBytes, count, wide, working);
    }
  }
}

/**
 * Arguments: 0 out, 1 x (addresses of the first elements), 2..7 shape, 8..13 strides of out, 14..19 of x (elements).
 * Units are indices of the first four axes together; the last two are moved as a matrix.
 */
export function copyStrided(begin: i32, end: i32): void {
  const rows = argument(6);
  const columns = argument(7);
  const outRow = <usize>(argument(12) << 2);
  const outColumn = <usize>(argument(13) << 2);
  const xRow = <usize>(argument(18) << 2);
  const xColumn = <usize>(argument(19) << 2);
  for (let unit = begin; unit < end; unit++) {
    let rest = unit;
    let to = 0;
    let from = 0;
    for (let axis = 3; axis >= 0; axis--) {
      const index = rest % argument(2 + axis);
      rest /= argument(2 + axis);
      to += index * argument(8 + axis);
      from += index * argument(14 + axis);
    }
    copyMatrix(
      addressArgument(0) + <usize>(to << 2),
      addressArgument(1) + <usize>(from << 2),
      rows,
      columns,
      outRow,
      outColumn,
      xRow,
      xColumn,
    );
  }
}

/** Strides in bytes; negative ones wrap round, as addresses do. */
function copyMatrix(
  to: usize,
  from: usize,
  rows: i32,
  columns: i32,
  outRow: usize,
  outColumn: usize,
  xRow: usize,
  xColumn: usize,
): void {
  if (outColumn == 4 && xColumn == 4) {
    const bytes = (<usize>columns) << 2;
    for (let i = 0; i < rows; i++) {
      memory.copy(to, from, bytes);
      to += outRow;
      from += xRow;
    }
    return;
  }
  let i = 0;
  // A transposition: four by four.
  if (ASC_FEATURE_SIMD)
    if (outColumn == 4 && xRow == 4)
      for (; i + 4 <= rows; i += 4) {
        let j = 0;
        let source = from;
        let target = to;
        for (; j + 4 <= columns; j += 4) {
          const r0 = v128.load(source);
          const r1 = v128.load(source + xColumn);
          const r2 = v128.load(source + xColumn * 2);
          const r3 = v128.load(source + xColumn * 3);
          const a = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
          const b = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
          const c = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
          const d = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
          v128.store(target, v128.shuffle<f32>(a, b, 0, 1, 4, 5));
          v128.store(target + outRow, v128.shuffle<f32>(a, b, 2, 3, 6, 7));
          v128.store(target + outRow * 2, v128.shuffle<f32>(c, d, 0, 1, 4, 5));
          v128.store(target + outRow * 3, v128.shuffle<f32>(c, d, 2, 3, 6, 7));
          source += xColumn << 2;
          target += 16;
        }
        for (; j < columns; j++) {
          store<i32>(target, load<i32>(source));
          store<i32>(target + outRow, load<i32>(source, 4));
          store<i32>(target + outRow * 2, load<i32>(source, 8));
          store<i32>(target + outRow * 3, load<i32>(source, 12));
          source += xColumn;
          target += 4;
        }
        to += outRow << 2;
        from += 16;
      }
  for (; i < rows; i++) {
    let source = from;
    let target = to;
    for (let j = 0; j < columns; j++) {
      store<i32>(target, load<i32>(source));
      source += xColumn;
      target += outColumn;
    }
    to += outRow;
    from += xRow;
  }
}
