// What Float32Harness computes, computed by this machine: JavaScript's float64 rounded once to float32 is the correctly
// rounded float32 result of + - * / and sqrt (53 bits are more than 2 * 24 + 2).

import { randomWords } from './random-words.ts';

const floats = new Float32Array(1);
const words = new Uint32Array(floats.buffer);

export function floatOf(bits: number): number {
  words[0] = bits;
  return floats[0] as number;
}

export function bitsOf(x: number): number {
  floats[0] = x;
  return words[0] as number;
}

const largest = 2 ** 100;

/** N of the profile, written from docs/exact-1.md, section 2. */
function value(x: number): number {
  const rounded = Math.fround(x);
  if (Number.isNaN(rounded) || Math.abs(rounded) < 2 ** -100) return 0;
  return Math.max(-largest, Math.min(largest, rounded));
}

/** RN of a float64, and +0 where 24 bits of any exponent would be below 2^-126 (a subnormal may round up to 2^-126). */
function plain(x: number): number {
  return Math.abs(Math.fround(x * 2 ** 60)) < 2 ** -66 ? 0 : Math.fround(x);
}

function nearestEven(x: number): number {
  if (Math.abs(x) >= 2 ** 52) return x;
  const shift = x < 0 ? -(2 ** 52) : 2 ** 52;
  return x + shift - shift; // float64 addition rounds to nearest even
}

function towardsZero(x: number): number {
  return Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, Math.trunc(x)));
}

export interface FloatOperation {
  name: string;
  operands: 1 | 2;
  /** What its operands are: values of the profile, floats of §1 (normal or +0), any bits, or an int32. */
  domain: 'values' | 'floats' | 'bits' | 'integers';
  /** From bits to bits. */
  expected(a: number, b: number): number;
  /** Whether the operation is defined for these operands. */
  accepts?(a: number, b: number): boolean;
}

type Two = (a: number, b: number) => number;
const ofFloats =
  (apply: Two): Two =>
  (a, b) =>
    bitsOf(apply(floatOf(a), floatOf(b)));
const finite =
  (apply: Two): Two =>
  (a, b) => {
    const result = apply(floatOf(a), floatOf(b));
    return Number.isFinite(Math.fround(result)) ? 1 : 0;
  };

const primitive = (name: string, operands: 1 | 2, apply: Two): FloatOperation => ({
  name,
  operands,
  domain: 'values',
  expected: ofFloats(apply),
});
const plainStep = (name: string, apply: Two): FloatOperation => ({
  name,
  operands: 2,
  domain: 'floats',
  expected: ofFloats((a, b) => plain(apply(a, b))),
  accepts: (a, b) => finite(apply)(a, b) === 1,
});

/** By the number that Float32Harness gives them. */
export const floatOperations: readonly FloatOperation[] = [
  primitive('add', 2, (a, b) => value(a + b)),
  primitive('sub', 2, (a, b) => value(a - b)),
  primitive('mul', 2, (a, b) => value(a * b)),
  primitive('div', 2, (a, b) => (b === 0 ? value(Math.sign(a) * largest) : value(a / b))),
  primitive('sqrt', 1, (a) => (a < 0 ? 0 : value(Math.sqrt(a)))),
  plainStep('addPlain', (a, b) => a + b),
  plainStep('subPlain', (a, b) => a - b),
  plainStep('mulPlain', (a, b) => a * b),
  plainStep('divPlain', (a, b) => a / b), // a division by 0 is not finite and so not asked
  primitive('maximum', 2, (a, b) => (a > b ? a : b)),
  primitive('minimum', 2, (a, b) => (a < b ? a : b)),
  { name: 'less', operands: 2, domain: 'floats', expected: (a, b) => (floatOf(a) < floatOf(b) ? 1 : 0) },
  primitive('floor', 1, (a) => value(Math.floor(a))),
  primitive('ceil', 1, (a) => value(Math.ceil(a))),
  primitive('round', 1, (a) => value(nearestEven(a))),
  { name: 'normalise', operands: 1, domain: 'bits', expected: ofFloats((a) => value(a)) },
  { name: 'toInt32', operands: 1, domain: 'values', expected: (a) => towardsZero(floatOf(a)) >>> 0 },
  { name: 'fromInt32', operands: 1, domain: 'integers', expected: (a) => bitsOf(a | 0) },
  primitive('negate', 1, (a) => value(-a)),
  {
    name: 'isValue',
    operands: 1,
    domain: 'bits',
    expected: (a) => (a === bitsOf(value(floatOf(a))) ? 1 : 0),
  },
];

/** Operands at which implementations differ when they are careless, as bits of their magnitude. */
const hard: readonly number[] = [
  ...[0, 0x0d800000, 0x0d800001, 0x0dffffff, 0x0e000000, 0x717fffff, 0x71800000, 0x717ffffe],
  ...[0x3f800000, 0x3f800001, 0x3f7fffff, 0x3f000000, 0x3effffff, 0x3f000001, 0x3fc00000, 0x40200000],
  ...[0x4b000000, 0x4b7fffff, 0x4b800000, 0x4affffff, 0x4a800001, 0x4f000000, 0x4effffff, 0x4f800000],
  ...[0x34000000, 0x33800000, 0x33800001, 0x337fffff, 0x33000000, 0x32800000, 0x3f8fffff, 0x3fffffff],
];

/** Fractions with long runs of equal bits are where rounding and cancellation go wrong. */
function drawFraction(random: () => number): number {
  const bits = random();
  switch (random() % 5) {
    case 0:
      return 0;
    case 1:
      return 0x7fffff;
    case 2:
      return (2 ** (bits % 24) - 1) & 0x7fffff;
    case 3:
      return (0x7fffff ^ (2 ** (bits % 24) - 1)) & 0x7fffff;
    default:
      return bits & 0x7fffff;
  }
}

/** How each second operand comes from the first one, so that sums cancel, products and quotients meet the limits. */
function drawSecond(random: () => number, a: number, [low, high]: readonly [number, number]): number {
  const exponent = (a >>> 23) & 0xff;
  const near = (center: number, spread: number): number =>
    Math.min(high, Math.max(low, center + (random() % (2 * spread + 1)) - spread));
  const sign = random() & 0x80000000;
  switch (random() % 8) {
    case 0: // the same magnitude, or a few units beside it
      return (sign | Math.max(a & 0x7fffffff, 0x00800004)) + (random() % 7) - 3;
    case 1: // a distance at which one just reaches the other's last place
      return sign | (near(exponent, 28) << 23) | drawFraction(random);
    case 2:
      return sign | (near(exponent, 2) << 23) | drawFraction(random);
    case 3: // a product near 2^-100, or a quotient near 2^100
      return sign | (near(254 - 100 - exponent, 2) << 23) | drawFraction(random);
    case 4: // a product near 2^100, or a quotient near 2^-100
      return sign | (near(254 + 100 - exponent, 2) << 23) | drawFraction(random);
    case 5:
      return sign | (hard[random() % hard.length] as number);
    default:
      return sign | ((low + (random() % (high - low + 1))) << 23) | drawFraction(random);
  }
}

/** Packs vectors as Float32Harness.check takes them: operands and what the operation must give, each 32 bits big-endian. */
export function packVectors(operation: FloatOperation, count: number, seed: number): Uint8Array {
  const random = randomWords(seed);
  const bytes = new Uint8Array(count * 12);
  const view = new DataView(bytes.buffer);
  const range = operation.domain === 'values' ? ([27, 227] as const) : ([1, 254] as const);
  const isOperand = (bits: number): boolean => {
    const magnitude = bits & 0x7fffffff;
    if (bits === 0 || operation.domain === 'bits' || operation.domain === 'integers') return true;
    if (operation.domain === 'values') return magnitude >= 0x0d800000 && magnitude <= 0x71800000;
    return magnitude >= 0x00800000 && magnitude < 0x7f800000;
  };
  const drawFirst = (): number => {
    if (operation.domain === 'integers') return random() >> (random() % 32);
    if (operation.domain === 'bits' && random() % 2 === 0) return random();
    if (random() % 4 === 0) return (random() & 0x80000000) | (hard[random() % hard.length] as number);
    // Half of those with one operand lie where whole numbers end.
    const [low, high] = operation.operands === 1 && random() % 2 === 0 ? [120, 160] : range;
    return (random() & 0x80000000) | ((low + (random() % (high - low + 1))) << 23) | drawFraction(random);
  };
  for (let i = 0; i < count;) {
    const a = drawFirst() >>> 0;
    const b = operation.operands === 1 ? 0 : drawSecond(random, a, range) >>> 0;
    if (!isOperand(a) || !isOperand(b) || operation.accepts?.(a, b) === false) continue;
    view.setUint32(i * 12, a);
    view.setUint32(i * 12 + 4, b);
    view.setUint32(i * 12 + 8, operation.expected(a, b));
    i++;
  }
  return bytes;
}
