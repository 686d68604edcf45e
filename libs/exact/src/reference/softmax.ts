// §7
import { exp, log } from './exponential.ts';
import { div, largest, maximum, sub } from './float.ts';
import { S } from './reductions.ts';

/** Calls `finish` with each row's x_i - max, their exponentials' sum, and where the row's results go. */
function eachRow(
  out: Float32Array,
  x: Float32Array,
  rows: number,
  columns: number,
  finish: (difference: number, sum: number) => number,
): void {
  for (let row = 0; row < rows; row++) {
    const values = x.subarray(row * columns, (row + 1) * columns);
    const top = values.reduce(maximum, -largest);
    const differences = values.map((value) => sub(value, top));
    const sum = S(differences.map(exp));
    out.set(
      differences.map((difference) => finish(difference, sum)),
      row * columns,
    );
  }
}

export function softmax(out: Float32Array, x: Float32Array, rows: number, columns: number): void {
  eachRow(out, x, rows, columns, (difference, sum) => div(exp(difference), sum));
}

export function logSoftmax(out: Float32Array, x: Float32Array, rows: number, columns: number): void {
  eachRow(out, x, rows, columns, (difference, sum) => sub(difference, log(sum)));
}
