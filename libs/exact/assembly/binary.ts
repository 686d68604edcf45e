// §4 of two operands with broadcasting. The operations' numbers are their places in the lists of src/kernels.ts.
import { half, one } from './constants';
import * as functions from './functions';
import { addressArgument, argument } from './job';
import { below, choose, isEqual, isLess, isLessOrEqual, isNotEqual, larger, smaller, spread } from './lanes';
import { add, div, isNegative, mul, squareRoot, sub, toValue } from './values';

class Add {
  of<T>(a: T, b: T): T {
    return add<T>(a, b);
  }
}
class Sub {
  of<T>(a: T, b: T): T {
    return sub<T>(a, b);
  }
}
class Mul {
  of<T>(a: T, b: T): T {
    return mul<T>(a, b);
  }
}
class Div {
  of<T>(a: T, b: T): T {
    return div<T>(a, b);
  }
}
class Maximum {
  of<T>(a: T, b: T): T {
    return larger<T>(a, b);
  }
}
class Minimum {
  of<T>(a: T, b: T): T {
    return smaller<T>(a, b);
  }
}
class SquaredDifference {
  of<T>(a: T, b: T): T {
    const d = sub<T>(a, b);
    return mul<T>(d, d);
  }
}
function floorDiv<T>(a: T, b: T): T {
  return toValue<T>(below<T>(div<T>(a, b)));
}
class FloorDiv {
  of<T>(a: T, b: T): T {
    return floorDiv<T>(a, b);
  }
}
class Mod {
  of<T>(a: T, b: T): T {
    return sub<T>(a, mul<T>(floorDiv<T>(a, b), b));
  }
}
/** Small integer powers by repeated squaring, one lane at a time: each lane has its own number of steps. */
function power(a: f32, b: f32): f32 {
  if (b == load<f32>(half)) return squareRoot<f32>(a);
  if (floor<f32>(b) != b || abs<f32>(b) > 64) return a > 0 ? functions.exp<f32>(mul<f32>(b, functions.log<f32>(a))) : 0;
  let result: f32 = 1;
  let square = a;
  for (let n = <i32>abs<f32>(b); n > 0; n >>= 1) {
    if ((n & 1) != 0) result = mul<f32>(result, square);
    if (n > 1) square = mul<f32>(square, square);
  }
  return b < 0 ? div<f32>(1, result) : result;
}
class Pow {
  of<T>(a: T, b: T): T {
    if (isVector<T>()) {
      let result = f32x4.splat(power(f32x4.extract_lane(a, 0), f32x4.extract_lane(b, 0)));
      result = f32x4.replace_lane(result, 1, power(f32x4.extract_lane(a, 1), f32x4.extract_lane(b, 1)));
      result = f32x4.replace_lane(result, 2, power(f32x4.extract_lane(a, 2), f32x4.extract_lane(b, 2)));
      return f32x4.replace_lane(result, 3, power(f32x4.extract_lane(a, 3), f32x4.extract_lane(b, 3)));
    } else return power(a, b);
  }
}
class Prelu {
  of<T>(a: T, b: T): T {
    return choose<T>(isNegative<T>(a), mul<T>(a, b), a);
  }
}
class EluGradient {
  of<T>(a: T, b: T): T {
    return choose<T>(isNegative<T>(b), mul<T>(a, add<T>(b, spread<T>(one))), a);
  }
}

class Equal {
  of<T>(a: T, b: T): T {
    return isEqual<T>(a, b);
  }
}
class NotEqual {
  of<T>(a: T, b: T): T {
    return isNotEqual<T>(a, b);
  }
}
class Less {
  of<T>(a: T, b: T): T {
    return isLess<T>(a, b);
  }
}
class LessEqual {
  of<T>(a: T, b: T): T {
    return isLessOrEqual<T>(a, b);
  }
}
class Greater {
  of<T>(a: T, b: T): T {
    return isLess<T>(b, a);
  }
}
class GreaterEqual {
  of<T>(a: T, b: T): T {
    return isLessOrEqual<T>(b, a);
  }
}

/** A run of `count` elements; an operand's step is 4 bytes, or 0 where it repeats. */
function run<Operation>(out: usize, a: usize, b: usize, count: i32, aStep: usize, bStep: usize): void {
  const operation = changetype<Operation>(0);
  if (ASC_FEATURE_SIMD) {
    const whole = out + ((<usize>(count & ~3)) << 2);
    if (bStep == 0) {
      const b4 = spread<v128>(b);
      if (aStep == 0) {
        const result = operation.of<v128>(spread<v128>(a), b4);
        for (; out < whole; out += 16) v128.store(out, result);
      } else
        for (; out < whole; out += 16) {
          v128.store(out, operation.of<v128>(v128.load(a), b4));
          a += 16;
        }
    } else if (aStep == 0) {
      const a4 = spread<v128>(a);
      for (; out < whole; out += 16) {
        v128.store(out, operation.of<v128>(a4, v128.load(b)));
        b += 16;
      }
    } else
      for (; out < whole; out += 16) {
        v128.store(out, operation.of<v128>(v128.load(a), v128.load(b)));
        a += 16;
        b += 16;
      }
    count &= 3;
  }
  for (; count > 0; count--) {
    store<f32>(out, operation.of<f32>(load<f32>(a), load<f32>(b)));
    out += 4;
    a += aStep;
    b += bStep;
  }
}

/** As `run`, but the masks become bytes of 1 or 0. */
function runComparison<Operation>(out: usize, a: usize, b: usize, count: i32, aStep: usize, bStep: usize): void {
  const operation = changetype<Operation>(0);
  for (; count > 0; count--) {
    store<u8>(out, <u8>(reinterpret<i32>(operation.of<f32>(load<f32>(a), load<f32>(b))) & 1));
    out += 1;
    a += aStep;
    b += bStep;
  }
}

/**
 * Arguments: 0 operation, 1 out, 2 a, 3 b, 4..7 shape, 8..11 strides of a, 12..15 of b (elements). Walks the rows that
 * the elements from `begin` to `end` lie in.
 */
function walk<Operation, Result>(begin: i32, end: i32): void {
  const width = argument(7);
  const rows2 = argument(6);
  const rows1 = argument(5);
  const aStep = <usize>(argument(11) << 2);
  const bStep = <usize>(argument(15) << 2);
  let at = begin;
  while (at < end) {
    const row = at / width;
    const column = at % width;
    const count = min(width - column, end - at);
    const k = row % rows2;
    const j = (row / rows2) % rows1;
    const i = row / rows2 / rows1;
    const aRow = i * argument(8) + j * argument(9) + k * argument(10);
    const bRow = i * argument(12) + j * argument(13) + k * argument(14);
    const a = addressArgument(2) + ((<usize>aRow) << 2) + <usize>column * aStep;
    const b = addressArgument(3) + ((<usize>bRow) << 2) + <usize>column * bStep;
    if (sizeof<Result>() == 1) runComparison<Operation>(addressArgument(1) + at, a, b, count, aStep, bStep);
    else run<Operation>(addressArgument(1) + ((<usize>at) << 2), a, b, count, aStep, bStep);
    at += count;
  }
}

/** Units are elements of the result. */
export function binary(begin: i32, end: i32): void {
  switch (argument(0)) {
    case 0:
      return walk<Add, f32>(begin, end);
    case 1:
      return walk<Sub, f32>(begin, end);
    case 2:
      return walk<Mul, f32>(begin, end);
    case 3:
      return walk<Div, f32>(begin, end);
    case 4:
      return walk<Maximum, f32>(begin, end);
    case 5:
      return walk<Minimum, f32>(begin, end);
    case 6:
      return walk<SquaredDifference, f32>(begin, end);
    case 7:
      return walk<FloorDiv, f32>(begin, end);
    case 8:
      return walk<Mod, f32>(begin, end);
    case 9:
      return walk<Pow, f32>(begin, end);
    case 10:
      return walk<Prelu, f32>(begin, end);
    case 11:
      return walk<EluGradient, f32>(begin, end);
  }
}

export function compare(begin: i32, end: i32): void {
  switch (argument(0)) {
    case 0:
      return walk<Equal, u8>(begin, end);
    case 1:
      return walk<NotEqual, u8>(begin, end);
    case 2:
      return walk<Less, u8>(begin, end);
    case 3:
      return walk<LessEqual, u8>(begin, end);
    case 4:
      return walk<Greater, u8>(begin, end);
    case 5:
      return walk<GreaterEqual, u8>(begin, end);
  }
}

/** Arguments: 1 out, 2 condition (bytes), 3 a, 4 b. Units are elements. */
export function select(begin: i32, end: i32): void {
  const out = addressArgument(1);
  const condition = addressArgument(2);
  const a = addressArgument(3);
  const b = addressArgument(4);
  for (let i = begin; i < end; i++)
    store<i32>(out + ((<usize>i) << 2), load<i32>((load<u8>(condition + i) != 0 ? a : b) + ((<usize>i) << 2)));
}
