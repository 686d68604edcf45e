// §7: softmax along rows.
import * as functions from './functions';
import { addressArgument, argument } from './job';
import { divideRow, reduceRow, Max, Sum } from './reduce';
import { sub } from './values';

/** out[i] = exp(x[i] - top). */
function exponentials(out: usize, x: usize, columns: i32, top: f32): void {
  let j = 0;
  if (ASC_FEATURE_SIMD) {
    const top4 = f32x4.splat(top);
    for (; j + 4 <= columns; j += 4) {
      const at = (<usize>j) << 2;
      v128.store(out + at, functions.exp<v128>(sub<v128>(v128.load(x + at), top4)));
    }
  }
  for (; j < columns; j++) {
    const at = (<usize>j) << 2;
    store<f32>(out + at, functions.exp<f32>(sub<f32>(load<f32>(x + at), top)));
  }
}

/** out[i] = (x[i] - top) - shift. */
function subtractTwice(out: usize, x: usize, columns: i32, top: f32, shift: f32): void {
  let j = 0;
  if (ASC_FEATURE_SIMD) {
    const top4 = f32x4.splat(top);
    const shift4 = f32x4.splat(shift);
    for (; j + 4 <= columns; j += 4) {
      const at = (<usize>j) << 2;
      v128.store(out + at, sub<v128>(sub<v128>(v128.load(x + at), top4), shift4));
    }
  }
  for (; j < columns; j++) {
    const at = (<usize>j) << 2;
    store<f32>(out + at, sub<f32>(sub<f32>(load<f32>(x + at), top), shift));
  }
}

/**
 * Arguments: 0 whether the logarithm is wanted, 1 out, 2 x, 3 columns, 4 scratch, 5 its bytes in each thread. Units are
 * rows. `out` is working memory until the row's result is there.
 */
export function softmax(begin: i32, end: i32, thread: i32): void {
  const columns = argument(3);
  const scratch = addressArgument(4) + <usize>thread * addressArgument(5);
  for (let row = begin; row < end; row++) {
    const offset = (<usize>(row * columns)) << 2;
    const out = addressArgument(1) + offset;
    const x = addressArgument(2) + offset;
    const top = reduceRow<Max>(x, columns, scratch);
    exponentials(out, x, columns, top);
    const sum = reduceRow<Sum>(out, columns, scratch);
    if (argument(0) == 0) divideRow(out, columns, sum);
    else subtractTwice(out, x, columns, top, functions.log<f32>(sum));
  }
}
