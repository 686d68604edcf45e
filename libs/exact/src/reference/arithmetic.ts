// §4: functions of two values, comparisons, selection, with broadcasting.
import type { BinaryOperation, BroadcastLayout, Comparison } from '../kernels.ts';
import { exp, log } from './exponential.ts';
import { add, div, maximum, minimum, mul, N, sqrt, sub } from './float.ts';

const { abs, floor } = Math;

const floorDiv = (a: number, b: number): number => N(floor(div(a, b)));

export function pow(a: number, b: number): number {
  if (b === 0.5) return sqrt(a);
  if (!Number.isInteger(b) || abs(b) > 64) return a > 0 ? exp(mul(b, log(a))) : 0;
  let power = 1;
  let square = a;
  for (let n = abs(b); n > 0; n >>= 1) {
    if (n & 1) power = mul(power, square);
    if (n > 1) square = mul(square, square);
  }
  return b < 0 ? div(1, power) : power;
}

export const binaryFunctions: Record<BinaryOperation, (a: number, b: number) => number> = {
  add,
  sub,
  mul,
  div,
  maximum,
  minimum,
  squaredDifference: (a, b) => mul(sub(a, b), sub(a, b)),
  floorDiv,
  mod: (a, b) => sub(a, mul(floorDiv(a, b), b)),
  pow,
  prelu: (a, b) => (a >= 0 ? a : mul(a, b)),
  eluGradient: (dy, y) => (y >= 0 ? dy : mul(dy, add(y, 1))),
};

export const comparisonFunctions: Record<Comparison, (a: number, b: number) => boolean> = {
  equal: (a, b) => a === b,
  notEqual: (a, b) => a !== b,
  less: (a, b) => a < b,
  lessEqual: (a, b) => a <= b,
  greater: (a, b) => a > b,
  greaterEqual: (a, b) => a >= b,
};

type Numbers = Float32Array | Int32Array | Uint8Array;

/** Calls `set` for every element of the result with its two operands. */
export function broadcast(
  a: Numbers,
  b: Numbers,
  { shape, aStrides, bStrides }: BroadcastLayout,
  set: (index: number, a: number, b: number) => void,
): void {
  let at = 0;
  for (let i = 0; i < shape[0]; i++)
    for (let j = 0; j < shape[1]; j++)
      for (let k = 0; k < shape[2]; k++) {
        const aStart = i * aStrides[0] + j * aStrides[1] + k * aStrides[2];
        const bStart = i * bStrides[0] + j * bStrides[1] + k * bStrides[2];
        for (let l = 0; l < shape[3]; l++)
          set(at++, a[aStart + l * aStrides[3]] as number, b[bStart + l * bStrides[3]] as number);
      }
}

export function binary(
  operation: BinaryOperation,
  out: Float32Array,
  a: Float32Array,
  b: Float32Array,
  layout: BroadcastLayout,
): void {
  const apply = binaryFunctions[operation];
  broadcast(a, b, layout, (index, left, right) => {
    out[index] = apply(left, right);
  });
}

export function compare(operation: Comparison, out: Uint8Array, a: Numbers, b: Numbers, layout: BroadcastLayout): void {
  const holds = comparisonFunctions[operation];
  broadcast(a, b, layout, (index, left, right) => {
    out[index] = holds(left, right) ? 1 : 0;
  });
}

export function select(out: Float32Array, condition: Uint8Array, a: Float32Array, b: Float32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = (condition[i] !== 0 ? a[i] : b[i]) as number;
}
