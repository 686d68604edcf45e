import fc from 'fast-check';

const floats = new Float32Array(1);
const words = new Uint32Array(floats.buffer);

export function fromBits(bits: number): number {
  words[0] = bits;
  return floats[0]!;
}

export function toBits(x: number): number {
  floats[0] = x;
  return words[0]!;
}

/** Values at which implementations differ when they are careless. */
export const hardValues: readonly number[] = [
  ...[0, 1, 0.5, 2, 1.5, 2.5, 3.5, 0.625, 0.927734375, 4, 9, 17, 60, 69, 69.3, 69.4, 70, 87, 88.8, 100, 103, 127, 128],
  ...[Math.PI, Math.E, Math.SQRT1_2, Math.SQRT2, 1e-7, 1e-3, 1e9, 16_777_215, 16_777_216, 2 ** 31, 2 ** 50, 2 ** -50],
  ...[2 ** -100, 2 ** 100, fromBits(0x0d800001), fromBits(0x717fffff), fromBits(0x3f7fffff), fromBits(0x3f800001)],
  ...[2 ** -24, 2 ** -23, 2 ** -12, 2 ** -11, 2 ** 23 + 0.5, 2 ** 22 + 0.5, 8_388_607.5, 0.49999997, 1.4426950216],
].flatMap((value) => (value === 0 ? [0] : [Math.fround(value), -Math.fround(value)]));

/** Bits that are no value of the profile. */
export const foreignBits: readonly number[] = [
  ...[0x80000000, 0x00000001, 0x80000001, 0x007fffff, 0x00800000, 0x0d7fffff, 0x8d7fffff, 0x71800001, 0xf1800001],
  ...[0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001, 0x7fffffff],
];

/** Values of every magnitude, hard ones among them. */
export const anyValue: fc.Arbitrary<number> = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom(...hardValues) },
  { weight: 2, arbitrary: fc.integer({ min: -4000, max: 4000 }).map((n) => n / 64) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.integer({ min: 0x0d800000, max: 0x71800000 }), fc.boolean())
      .map(([bits, negative]) => (negative ? -fromBits(bits) : fromBits(bits))),
  },
);

/** Whether it is +0 or of a magnitude from 2^-100 to 2^100. */
export function isValue(x: number): boolean {
  return Object.is(x, 0) || (Math.abs(x) >= 2 ** -100 && Math.abs(x) <= 2 ** 100 && Math.fround(x) === x);
}

/** A plain generator for bulk data: mulberry32. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Roughly normal values. */
export function normals(seed: number, count: number, deviation = 1): Float32Array {
  const random = generator(seed);
  return Float32Array.from({ length: count }, () => {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += random();
    return sum * deviation;
  });
}
