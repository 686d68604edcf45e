// One source for scalars and vectors: T is f32, or v128 as four float32 lanes. Every function is one IEEE 754 operation
// (or an exact one), so that both give the same bits. Small functions, which the optimiser inlines.

/** How many bytes one T spans. */
export function widthOf<T>(): usize {
  return isVector<T>() ? 16 : 4;
}

export function loadLanes<T>(address: usize): T {
  if (isVector<T>()) return v128.load(address);
  else return load<f32>(address);
}

export function storeLanes<T>(address: usize, x: T): void {
  if (isVector<T>()) v128.store(address, x);
  else store<f32>(address, x);
}

/** The float at an address in every lane. */
export function spread<T>(address: usize): T {
  if (isVector<T>()) return v128.load32_splat(address);
  else return load<f32>(address);
}

export function everyLane<T>(x: f32): T {
  if (isVector<T>()) return f32x4.splat(x);
  else return x;
}

export function zero<T>(): T {
  if (isVector<T>()) return f32x4.splat(0);
  else return 0;
}

export function plus<T>(a: T, b: T): T {
  if (isVector<T>()) return f32x4.add(a, b);
  else return a + b;
}

export function minus<T>(a: T, b: T): T {
  if (isVector<T>()) return f32x4.sub(a, b);
  else return a - b;
}

export function times<T>(a: T, b: T): T {
  if (isVector<T>()) return f32x4.mul(a, b);
  else return a * b;
}

export function over<T>(a: T, b: T): T {
  if (isVector<T>()) return f32x4.div(a, b);
  else return a / b;
}

export function root<T>(a: T): T {
  if (isVector<T>()) return f32x4.sqrt(a);
  else return sqrt<f32>(a);
}

/** a > b ? a : b, which on values (no NaN, no -0) is the larger. One instruction in vectors. */
export function larger<T>(a: T, b: T): T {
  if (isVector<T>()) return f32x4.pmax(a, b);
  else return a < b ? b : a;
}

/** a < b ? a : b. */
export function smaller<T>(a: T, b: T): T {
  if (isVector<T>()) return f32x4.pmin(a, b);
  else return b < a ? b : a;
}

export function magnitude<T>(a: T): T {
  if (isVector<T>()) return f32x4.abs(a);
  else return abs<f32>(a);
}

export function below<T>(a: T): T {
  if (isVector<T>()) return f32x4.floor(a);
  else return floor<f32>(a);
}

export function above<T>(a: T): T {
  if (isVector<T>()) return f32x4.ceil(a);
  else return ceil<f32>(a);
}

/** To the nearest integer, ties to even. */
export function nearestInteger<T>(a: T): T {
  if (isVector<T>()) return f32x4.nearest(a);
  else return nearest<f32>(a);
}

// Masks: all bits of a lane set where the comparison holds, held as a T.
function mask<T>(holds: bool): T {
  return reinterpret<f32>(holds ? -1 : 0);
}

export function isLess<T>(a: T, b: T): T {
  if (isVector<T>()) return f32x4.lt(a, b);
  else return mask<T>(a < b);
}

export function isLessOrEqual<T>(a: T, b: T): T {
  if (isVector<T>()) return f32x4.le(a, b);
  else return mask<T>(a <= b);
}

export function isEqual<T>(a: T, b: T): T {
  if (isVector<T>()) return f32x4.eq(a, b);
  else return mask<T>(a == b);
}

export function isNotEqual<T>(a: T, b: T): T {
  if (isVector<T>()) return f32x4.ne(a, b);
  else return mask<T>(a != b);
}

/** Where the mask holds a, elsewhere b. */
export function choose<T>(holds: T, a: T, b: T): T {
  if (isVector<T>()) return v128.bitselect(a, b, holds);
  else return reinterpret<i32>(holds) != 0 ? a : b;
}

/** Where the mask holds a, elsewhere +0. */
export function keep<T>(holds: T, a: T): T {
  if (isVector<T>()) return v128.and(holds, a);
  else return reinterpret<f32>(reinterpret<i32>(holds) & reinterpret<i32>(a));
}

/** Whether the mask holds in any lane. */
export function anyLane<T>(holds: T): bool {
  if (isVector<T>()) return v128.any_true(holds);
  else return reinterpret<i32>(holds) != 0;
}

// Integers in the lanes' bits.
export function integerPlus<T>(a: T, b: T): T {
  if (isVector<T>()) return i32x4.add(a, b);
  else return reinterpret<f32>(reinterpret<i32>(a) + reinterpret<i32>(b));
}

export function integerMinus<T>(a: T, b: T): T {
  if (isVector<T>()) return i32x4.sub(a, b);
  else return reinterpret<f32>(reinterpret<i32>(a) - reinterpret<i32>(b));
}

export function shiftLeft<T>(a: T, bits: i32): T {
  if (isVector<T>()) return i32x4.shl(a, bits);
  else return reinterpret<f32>(reinterpret<i32>(a) << bits);
}

/** Arithmetic. */
export function shiftRight<T>(a: T, bits: i32): T {
  if (isVector<T>()) return i32x4.shr_s(a, bits);
  else return reinterpret<f32>(reinterpret<i32>(a) >> bits);
}

export function integerToFloat<T>(a: T): T {
  if (isVector<T>()) return f32x4.convert_i32x4_s(a);
  else return f32(reinterpret<i32>(a));
}
