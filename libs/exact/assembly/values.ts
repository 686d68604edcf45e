// §2: the values of the profile and their primitives.
import { largestValue, leastValue, smallestMagnitude } from './constants';
import {
  isEqual,
  isLess,
  isLessOrEqual,
  isNotEqual,
  keep,
  larger,
  magnitude,
  minus,
  over,
  plus,
  root,
  smaller,
  spread,
  times,
  zero,
} from './lanes';

/** N of a float that is no NaN. */
export function toValue<T>(x: T): T {
  const clamped = smaller<T>(larger<T>(x, spread<T>(leastValue)), spread<T>(largestValue));
  return keep<T>(isLessOrEqual<T>(spread<T>(smallestMagnitude), magnitude<T>(x)), clamped);
}

/** N of any float. */
export function toValueFromAny<T>(x: T): T {
  return toValue<T>(keep<T>(isEqual<T>(x, x), x));
}

export function add<T>(a: T, b: T): T {
  return toValue<T>(plus<T>(a, b));
}

export function sub<T>(a: T, b: T): T {
  return toValue<T>(minus<T>(a, b));
}

export function mul<T>(a: T, b: T): T {
  return toValue<T>(times<T>(a, b));
}

/** N(a / b); by zero, 2^100 with the sign of a: that quotient is infinite, or a NaN for 0 / 0. */
export function div<T>(a: T, b: T): T {
  return toValue<T>(keep<T>(isNotEqual<T>(a, zero<T>()), over<T>(a, b)));
}

export function squareRoot<T>(a: T): T {
  return toValue<T>(root<T>(larger<T>(a, zero<T>())));
}

/** neg: 0 - a has no -0. */
export function negate<T>(a: T): T {
  return minus<T>(zero<T>(), a);
}

export function isPositive<T>(x: T): T {
  return isLess<T>(zero<T>(), x);
}

export function isNegative<T>(x: T): T {
  return isLess<T>(x, zero<T>());
}
