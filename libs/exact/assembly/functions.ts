// §4: functions of one value. Plain steps are the lanes' operations, primitives those of values.ts.
import {
  erfLargest,
  erfLargePolynomial,
  erfLimit,
  erfSmallPolynomial,
  expLargest,
  expLeast,
  expLn2High,
  expLn2Low,
  expPolynomial,
  half,
  log2e,
  logLn2High,
  logLn2Low,
  logPolynomial,
  logRootHalf,
  minusOne,
  one,
  rootTwo,
  rounder,
  smallestMagnitude,
  tanhLimit,
  tanhPolynomial,
  two,
} from './constants';
import {
  choose,
  integerMinus,
  integerPlus,
  integerToFloat,
  isEqual,
  isLess,
  isLessOrEqual,
  larger,
  magnitude,
  minus,
  over,
  plus,
  shiftLeft,
  shiftRight,
  smaller,
  spread,
  times,
  zero,
} from './lanes';
import { add, div, isNegative, mul, negate, squareRoot, sub, toValue } from './values';

/** Horner's step: sum * t + c, rounded twice. */
function step<T>(sum: T, t: T, coefficient: usize): T {
  return plus<T>(times<T>(sum, t), spread<T>(coefficient));
}

export function expCore<T>(x: T): T {
  const clamped = smaller<T>(larger<T>(x, spread<T>(expLeast)), spread<T>(expLargest));
  const round = spread<T>(rounder);
  // j in the lower bits of a float: adding `rounder` rounds to an integer, ties to even.
  const rounded = plus<T>(times<T>(clamped, spread<T>(log2e)), round);
  const j = minus<T>(rounded, round);
  const f = minus<T>(minus<T>(clamped, times<T>(j, spread<T>(expLn2High))), times<T>(j, spread<T>(expLn2Low)));
  let p = step<T>(spread<T>(expPolynomial + 24), f, expPolynomial + 20);
  p = step<T>(p, f, expPolynomial + 16);
  p = step<T>(p, f, expPolynomial + 12);
  p = step<T>(p, f, expPolynomial + 8);
  p = step<T>(p, f, expPolynomial + 4);
  p = step<T>(p, f, expPolynomial);
  // 2^j: (j + 127) << 23. The rounder's own bits above j's leave at the top; 1's bits are 127 << 23.
  return times<T>(p, integerPlus<T>(shiftLeft<T>(integerMinus<T>(rounded, round), 23), spread<T>(one)));
}

export function exp<T>(x: T): T {
  return toValue<T>(expCore<T>(x));
}

export function log<T>(x: T): T {
  const bits = larger<T>(x, spread<T>(smallestMagnitude));
  const e = shiftRight<T>(integerMinus<T>(bits, spread<T>(logRootHalf)), 23);
  const f = minus<T>(integerMinus<T>(bits, shiftLeft<T>(e, 23)), spread<T>(one));
  const z = times<T>(f, f);
  let p = step<T>(spread<T>(logPolynomial + 32), f, logPolynomial + 28);
  p = step<T>(p, f, logPolynomial + 24);
  p = step<T>(p, f, logPolynomial + 20);
  p = step<T>(p, f, logPolynomial + 16);
  p = step<T>(p, f, logPolynomial + 12);
  p = step<T>(p, f, logPolynomial + 8);
  p = step<T>(p, f, logPolynomial + 4);
  p = step<T>(p, f, logPolynomial);
  const exponent = integerToFloat<T>(e);
  let y = times<T>(times<T>(p, f), z);
  y = minus<T>(y, times<T>(exponent, spread<T>(logLn2Low)));
  y = minus<T>(y, times<T>(spread<T>(half), z));
  return toValue<T>(plus<T>(plus<T>(f, y), times<T>(exponent, spread<T>(logLn2High))));
}

export function log1p<T>(x: T): T {
  const u = add<T>(spread<T>(one), x);
  const rest = mul<T>(log<T>(u), div<T>(x, sub<T>(u, spread<T>(one))));
  return choose<T>(isEqual<T>(u, spread<T>(one)), x, rest);
}

export function expm1<T>(x: T): T {
  const u = exp<T>(x);
  const d = sub<T>(u, spread<T>(one));
  const rest = mul<T>(d, div<T>(x, log<T>(u)));
  const near = choose<T>(isEqual<T>(u, spread<T>(one)), x, rest);
  return choose<T>(isEqual<T>(d, spread<T>(minusOne)), d, near);
}

export function sigmoid<T>(x: T): T {
  const t = exp<T>(negate<T>(magnitude<T>(x)));
  return div<T>(choose<T>(isNegative<T>(x), t, spread<T>(one)), add<T>(spread<T>(one), t));
}

/** N(x < 0 ? 0 - r : r). */
function withSign<T>(r: T, x: T): T {
  return choose<T>(isNegative<T>(x), negate<T>(r), r);
}

export function tanh<T>(x: T): T {
  const size = magnitude<T>(x);
  const z = times<T>(x, x);
  let p = step<T>(spread<T>(tanhPolynomial + 16), z, tanhPolynomial + 12);
  p = step<T>(p, z, tanhPolynomial + 8);
  p = step<T>(p, z, tanhPolynomial + 4);
  p = step<T>(p, z, tanhPolynomial);
  const near = plus<T>(times<T>(times<T>(p, z), x), x);
  const t = expCore<T>(times<T>(spread<T>(two), size));
  const r = minus<T>(spread<T>(one), over<T>(spread<T>(two), plus<T>(t, spread<T>(one))));
  return toValue<T>(choose<T>(isLess<T>(size, spread<T>(tanhLimit)), near, withSign<T>(r, x)));
}

export function erf<T>(x: T): T {
  const t = smaller<T>(magnitude<T>(x), spread<T>(erfLargest));
  const s = times<T>(t, t);
  let a = step<T>(spread<T>(erfSmallPolynomial + 20), s, erfSmallPolynomial + 16);
  a = step<T>(a, s, erfSmallPolynomial + 12);
  a = step<T>(a, s, erfSmallPolynomial + 8);
  a = step<T>(a, s, erfSmallPolynomial + 4);
  a = step<T>(a, s, erfSmallPolynomial);
  const near = plus<T>(times<T>(a, x), x);
  let b = step<T>(spread<T>(erfLargePolynomial + 24), t, erfLargePolynomial + 20);
  b = step<T>(b, t, erfLargePolynomial + 16);
  b = step<T>(b, t, erfLargePolynomial + 12);
  b = step<T>(b, t, erfLargePolynomial + 8);
  b = step<T>(b, t, erfLargePolynomial + 4);
  b = step<T>(b, t, erfLargePolynomial);
  const r = minus<T>(spread<T>(one), expCore<T>(minus<T>(times<T>(b, t), t)));
  return toValue<T>(choose<T>(isLessOrEqual<T>(t, spread<T>(erfLimit)), near, withSign<T>(r, x)));
}

export function gelu<T>(x: T): T {
  const e = erf<T>(div<T>(x, spread<T>(rootTwo)));
  return mul<T>(x, mul<T>(spread<T>(half), add<T>(spread<T>(one), e)));
}

export function softplus<T>(x: T): T {
  return add<T>(larger<T>(x, zero<T>()), log1p<T>(exp<T>(negate<T>(magnitude<T>(x)))));
}

export function rsqrt<T>(x: T): T {
  return div<T>(spread<T>(one), squareRoot<T>(x));
}
