import type { UnaryOperation } from '../kernels.ts';
import { E, L, ln2High, ln2Low, lnHigh, lnLow, log2e } from '../reference/exponential.ts';
import { smallest } from '../reference/float.ts';
import { A, B, seluScale, seluScaleAlpha, sqrtTwo, T } from '../reference/unary.ts';
import type { Floats } from './inner-operations.ts';
import type { Primitives } from './primitives.ts';

// §4: functions of one value. Both sides of a choice are computed, so that neither may make a NaN.

/** Horner's scheme with plain steps. */
function polynomial(p: Primitives, coefficients: Float32Array, t: Floats): Floats {
  return p.tidy(() => {
    let sum = p.times(t, coefficients.at(-1) as number);
    for (let i = coefficients.length - 2; i >= 0; i--) {
      sum = p.plus(sum, coefficients[i] as number);
      if (i > 0) sum = p.times(sum, t);
    }
    return sum;
  });
}

/** The largest power of two that is no larger than x > 0, by Rump's "unit in the first place". */
function unitInFirstPlace(p: Primitives, x: Floats): Floats {
  return p.tidy(() => {
    const q = p.times(x, 2 ** 23 + 1);
    return p.abs(p.minus(q, p.times(q, 1 - 2 ** -24)));
  });
}

/** The largest power of two that is no larger than a value x >= 0; 2^-100 for 0. */
export const firstPlace = (p: Primitives, x: Floats): Floats =>
  p.tidy(() => p.maximum(unitInFirstPlace(p, x), smallest));

/** 2^j for whole -101 <= j <= 101: any exponential that errs by less than a fifth has it as its first place. */
function powerOfTwo(p: Primitives, j: Floats): Floats {
  return p.tidy(() => unitInFirstPlace(p, p.times(p.roughExp(p.times(j, Math.fround(Math.LN2))), 1.25)));
}

export function expCore(p: Primitives, x: Floats): Floats {
  return p.tidy(() => {
    const clamped = p.clip(x, -70, 70);
    const j = p.roundSmall(p.times(clamped, log2e));
    const f = p.minus(p.minus(clamped, p.times(j, ln2High)), p.times(j, ln2Low));
    return p.times(polynomial(p, E, f), powerOfTwo(p, j));
  });
}

export const exp = (p: Primitives, x: Floats): Floats => p.tidy(() => p.normal(expCore(p, x)));

export function log(p: Primitives, x: Floats): Floats {
  return p.tidy(() => {
    const positive = p.maximum(x, smallest);
    const power = firstPlace(p, positive);
    const fraction = p.over(positive, power);
    // The exponent is a whole number of at most 100: any logarithm, rounded, gives it.
    const exponent = p.roundSmall(p.times(p.roughLog(power), log2e));
    const isAbove = p.mask(p.compare('GreaterEqual', fraction, sqrtTwo));
    const e = p.plus(exponent, isAbove);
    const f = p.minus(p.times(fraction, p.minus(1, p.times(isAbove, 0.5))), 1);
    const z = p.times(f, f);
    const y = p.minus(p.times(p.times(polynomial(p, L, f), f), z), p.times(e, lnLow));
    return p.normal(p.plus(p.plus(f, p.minus(y, p.times(z, 0.5))), p.times(e, lnHigh)));
  });
}

export function log1p(p: Primitives, x: Floats): Floats {
  return p.tidy(() => {
    const u = p.add(1, x);
    return p.select(p.compare('Equal', u, 1), x, p.mul(log(p, u), p.div(x, p.sub(u, 1))));
  });
}

export function expm1(p: Primitives, x: Floats): Floats {
  return p.tidy(() => {
    const u = exp(p, x);
    const d = p.sub(u, 1);
    const rest = p.select(p.compare('Equal', d, -1), -1, p.mul(d, p.div(x, log(p, u))));
    return p.select(p.compare('Equal', u, 1), x, rest);
  });
}

function sigmoid(p: Primitives, x: Floats): Floats {
  const t = exp(p, p.neg(p.abs(x)));
  return p.normal(p.over(p.select(p.compare('GreaterEqual', x, 0), 1, t), p.add(t, 1)));
}

/** `y` with the sign of x; N makes a -0 a +0. */
const signed = (p: Primitives, x: Floats, y: Floats): Floats => p.select(p.compare('Less', x, 0), p.neg(y), y);

function tanh(p: Primitives, x: Floats): Floats {
  const size = p.abs(x);
  const near = p.clip(x, -1, 1);
  const z = p.times(near, near);
  const inside = p.plus(p.times(p.times(polynomial(p, T, z), z), near), near);
  const r = p.minus(1, p.over(2, p.plus(expCore(p, p.times(size, 2)), 1)));
  return p.normal(p.select(p.compare('Less', size, 0.625), inside, signed(p, x, r)));
}

function erf(p: Primitives, x: Floats): Floats {
  return p.tidy(() => {
    const t = p.minimum(p.abs(x), 4);
    const near = p.clip(x, -1, 1);
    const inside = p.plus(p.times(polynomial(p, A, p.times(t, t)), near), near);
    const r = p.minus(p.times(polynomial(p, B, t), t), t);
    const outside = signed(p, x, p.minus(1, expCore(p, r)));
    return p.normal(p.select(p.compare('LessEqual', t, 0.927734375), inside, outside));
  });
}

/** Nearest integer, ties to even: from 2^23 on every float is one. */
function round(p: Primitives, x: Floats): Floats {
  const size = p.abs(x);
  const nearest = p.minus(p.plus(size, 2 ** 23), 2 ** 23);
  return p.normal(signed(p, x, p.select(p.compare('Less', size, 2 ** 23), nearest, size)));
}

type Function = (p: Primitives, x: Floats, parameter0: number, parameter1: number) => Floats;

const isPositive = (p: Primitives, x: Floats) => p.compare('Greater', x, 0);
const isNotNegative = (p: Primitives, x: Floats) => p.compare('GreaterEqual', x, 0);

const functions: Record<UnaryOperation, Function> = {
  neg: (p, x) => p.neg(x),
  abs: (p, x) => p.abs(x),
  sign: (p, x) => p.minus(p.mask(isPositive(p, x)), p.mask(p.compare('Less', x, 0))),
  floor: (p, x) => p.floor(x),
  ceil: (p, x) => p.neg(p.floor(p.neg(x))),
  round,
  square: (p, x) => p.mul(x, x),
  sqrt: (p, x) => p.sqrt(x),
  rsqrt: (p, x) => p.div(1, p.sqrt(x)),
  reciprocal: (p, x) => p.div(1, x),
  exp,
  expm1,
  log,
  log1p,
  sigmoid,
  tanh,
  erf,
  softplus: (p, x) => p.add(p.maximum(x, 0), log1p(p, exp(p, p.neg(p.abs(x))))),
  gelu: (p, x) => p.mul(x, p.mul(0.5, p.add(1, erf(p, p.div(x, sqrtTwo))))),
  relu: (p, x) => p.maximum(x, 0),
  clip: (p, x, low, high) => p.clip(x, low, high),
  step: (p, x, below) => p.select(isPositive(p, x), 1, below),
  leakyRelu: (p, x, slope) => p.select(isPositive(p, x), x, p.mul(slope, x)),
  elu: (p, x) => p.select(isNotNegative(p, x), x, expm1(p, x)),
  selu: (p, x) => p.select(isNotNegative(p, x), p.mul(seluScale, x), p.mul(seluScaleAlpha, expm1(p, x))),
};

/** Parameters are values of the profile. */
export function unary(p: Primitives, operation: UnaryOperation, x: Floats, parameter0 = 0, parameter1 = 0): Floats {
  return p.tidy(() => functions[operation](p, x, parameter0, parameter1));
}
