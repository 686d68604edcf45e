// §4: exp, log and their relatives near 0 and 1.
import { add, bitsOf, div, floatOf, mul, N, polynomial, powerOfTwo, roundHalfEven, smallest, sub } from './float.ts';

const { fround, max, min } = Math;

export const log2e = fround(1.442695);
export const ln2High = fround(0.693145752);
export const ln2Low = fround(1.42860677e-6);
export const E = new Float32Array([1, 1, 0.499999851, 0.16666472, 4.16695364e-2, 8.37312452e-3, 1.37805939e-3]);

/** e^x of any float, before flush and saturation; from -70 and to 70 it no longer changes. */
export function expCore(x: number): number {
  const clamped = min(max(x, -70), 70);
  const j = roundHalfEven(fround(clamped * log2e));
  const f = fround(fround(clamped - fround(j * ln2High)) - fround(j * ln2Low));
  return fround(polynomial(E, f) * powerOfTwo(j));
}

export const exp = (x: number): number => N(expCore(x));

export const L = new Float32Array([
  ...[3.3333331174e-1, -2.4999993993e-1, 2.0000714765e-1, -1.6668057665e-1, 1.4249322787e-1],
  ...[-1.2420140846e-1, 1.167699874e-1, -1.151461031e-1, 7.0376836292e-2],
]);
export const lnHigh = fround(0.693359375);
export const lnLow = fround(2.1219444e-4);

/** ln(x); whatever is below 2^-100 counts as 2^-100. */
export function log(x: number): number {
  const bits = bitsOf(max(x, smallest));
  const e = (bits - 0x3f3504f3) >> 23;
  const f = fround(floatOf(bits - (e << 23)) - 1);
  const z = fround(f * f);
  let y = fround(fround(polynomial(L, f) * f) * z);
  y = fround(y - fround(e * lnLow));
  y = fround(y - fround(0.5 * z));
  return N(fround(f + y) + fround(e * lnHigh));
}

/** ln(1 + x). */
export function log1p(x: number): number {
  const u = add(1, x);
  return u === 1 ? x : mul(log(u), div(x, sub(u, 1)));
}

/** e^x - 1. */
export function expm1(x: number): number {
  const u = exp(x);
  if (u === 1) return x;
  const d = sub(u, 1);
  return d === -1 ? -1 : mul(d, div(x, log(u)));
}
