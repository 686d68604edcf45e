// §2: values and primitives. JavaScript computes in float64; fround after each operation gives the correctly
// rounded float32 result of +, -, *, / and sqrt (53 bits are more than 2 * 24 + 2).

const { abs, floor, fround, sqrt: root } = Math;

export const largest = 2 ** 100;
export const smallest = 2 ** -100;

const floats = new Float32Array(1);
const words = new Int32Array(floats.buffer);

/** The 32 bits of a float. */
export function bitsOf(x: number): number {
  floats[0] = x;
  return words[0] as number;
}

/** The float with these 32 bits. */
export function floatOf(bits: number): number {
  words[0] = bits;
  return floats[0] as number;
}

/** 2^e for -126 <= e <= 127. */
export function powerOfTwo(e: number): number {
  return floatOf((e + 127) << 23);
}

/** N: rounds to float32 and makes the result a value of the profile. */
export function N(x: number): number {
  const rounded = fround(x);
  if (rounded > largest) return largest;
  if (rounded < -largest) return -largest;
  return abs(rounded) >= smallest ? rounded : 0; // a NaN compares false
}

export const add = (a: number, b: number): number => N(a + b);
export const sub = (a: number, b: number): number => N(a - b);
export const mul = (a: number, b: number): number => N(a * b);

export function div(a: number, b: number): number {
  if (b === 0) return a > 0 ? largest : a < 0 ? -largest : 0;
  return N(a / b);
}

export const sqrt = (a: number): number => (a >= 0 ? N(root(a)) : 0);
export const maximum = (a: number, b: number): number => (a > b ? a : b);
export const minimum = (a: number, b: number): number => (a < b ? a : b);

/** Nearest integer, ties to even. */
export function roundHalfEven(x: number): number {
  const down = floor(x);
  const rest = x - down;
  return rest < 0.5 || (rest === 0.5 && down % 2 === 0) ? down : down + 1;
}

/** c[n] t^n + .. + c[0] by Horner's scheme: a rounded multiplication, then a rounded addition. */
export function polynomial(coefficients: Float32Array, t: number): number {
  let sum = coefficients[coefficients.length - 1] as number;
  for (let i = coefficients.length - 2; i >= 0; i--) sum = fround(fround(sum * t) + (coefficients[i] as number));
  return sum;
}
