// §4: functions of one value.
import type { UnaryOperation } from '../kernels.ts';
import { exp, expCore, expm1, log, log1p } from './exponential.ts';
import { add, div, maximum, minimum, mul, N, polynomial, roundHalfEven, sqrt } from './float.ts';

const { abs, ceil, floor, fround, max, min } = Math;

export function sigmoid(x: number): number {
  const t = exp(-abs(x));
  return div(x >= 0 ? 1 : t, add(1, t));
}

export const T = new Float32Array([
  -3.33332819422e-1, 1.33314422036e-1, -5.37397155531e-2, 2.06390887954e-2, -5.70498872745e-3,
]);

export function tanh(x: number): number {
  const size = abs(x);
  if (size < 0.625) {
    const z = fround(x * x);
    return N(fround(fround(polynomial(T, z) * z) * x) + x);
  }
  const t = expCore(fround(2 * size));
  const r = fround(1 - fround(2 / fround(t + 1)));
  return N(x < 0 ? -r : r);
}

export const A = new Float32Array([
  ...[1.28379166e-1, -3.76125336e-1, 1.12819925e-1, -2.67681349e-2, 4.99119423e-3, -5.96761703e-4],
]);
export const B = new Float32Array([
  ...[-1.28717512e-1, -6.34846687e-1, -1.06777877e-1, 2.42546219e-2, -3.88396438e-3, 3.83197126e-4, -1.7285347e-5],
]);

export function erf(x: number): number {
  const t = min(abs(x), 4);
  if (t <= 0.927734375) return N(fround(polynomial(A, fround(t * t)) * x) + x);
  const r = fround(fround(polynomial(B, t) * t) - t);
  const y = fround(1 - expCore(r));
  return N(x < 0 ? -y : y);
}

export const sqrtTwo = fround(Math.SQRT2);
export const gelu = (x: number): number => mul(x, mul(0.5, add(1, erf(div(x, sqrtTwo)))));

export const softplus = (x: number): number => add(max(x, 0), log1p(exp(-abs(x))));

export const seluScale = fround(1.05070099);
export const seluScaleAlpha = fround(1.75809934);

/** One value and the operation's parameters to the result. */
export const unaryFunctions: Record<UnaryOperation, (x: number, parameter0: number, parameter1: number) => number> = {
  neg: (x) => N(-x),
  abs,
  sign: (x) => (x > 0 ? 1 : x < 0 ? -1 : 0),
  floor: (x) => N(floor(x)),
  ceil: (x) => N(ceil(x)),
  round: (x) => N(roundHalfEven(x)),
  square: (x) => mul(x, x),
  sqrt,
  rsqrt: (x) => div(1, sqrt(x)),
  reciprocal: (x) => div(1, x),
  exp,
  expm1,
  log,
  log1p,
  sigmoid,
  tanh,
  erf,
  softplus,
  gelu,
  relu: (x) => (x > 0 ? x : 0),
  clip: (x, low, high) => minimum(maximum(x, low), high),
  step: (x, below) => (x > 0 ? 1 : below),
  leakyRelu: (x, slope) => (x > 0 ? x : mul(slope, x)),
  elu: (x) => (x >= 0 ? x : expm1(x)),
  selu: (x) => (x >= 0 ? mul(seluScale, x) : mul(seluScaleAlpha, expm1(x))),
};

/** §2: any float32 bits to values; returns how many changed. */
export function normalise(out: Float32Array, x: Float32Array): number {
  let changed = 0;
  for (let i = 0; i < x.length; i++) {
    const before = x[i] as number;
    const after = N(before);
    if (!Object.is(before, after)) changed++;
    out[i] = after;
  }
  return changed;
}

export function unary(operation: UnaryOperation, out: Float32Array, x: Float32Array, p0: number, p1: number): void {
  const apply = unaryFunctions[operation];
  for (let i = 0; i < x.length; i++) out[i] = apply(x[i] as number, p0, p1);
}
