import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { anyValue, foreignBits, fromBits, hardValues, isValue, toBits } from '../../test/values.ts';
import { add, div, mul, N, powerOfTwo, roundHalfEven, sqrt, sub } from './float.ts';
import { normalise } from './unary.ts';

describe('values', () => {
  it('leaves values as they are', () => {
    for (const value of hardValues) expect(Object.is(N(value), value)).toBe(true);
  });

  it.each([
    ['NaN', 0x7fc00000, 0],
    ['a NaN with another payload', 0xff800001, 0],
    ['-0', 0x80000000, 0],
    ['the smallest subnormal', 0x00000001, 0],
    ['the largest float below 2^-100', 0x0d7fffff, 0],
    ['its negative', 0x8d7fffff, 0],
    ['2^-100', 0x0d800000, 2 ** -100],
    ['2^100', 0x71800000, 2 ** 100],
    ['the next float after 2^100', 0x71800001, 2 ** 100],
    ['infinity', 0x7f800000, 2 ** 100],
    ['-infinity', 0xff800000, -(2 ** 100)],
    ['the largest negative float', 0xff7fffff, -(2 ** 100)],
  ])('makes %s a value', (_, bits, expected) => {
    expect(toBits(N(fromBits(bits)))).toBe(toBits(expected));
  });

  it('counts what entering data had to change', () => {
    const data = new Float32Array(new Uint32Array([...foreignBits, 0x3f800000, 0]).buffer);
    const out = new Float32Array(data.length);
    expect(normalise(out, data)).toBe(foreignBits.length);
    expect(out.every(isValue)).toBe(true);
    expect(normalise(out, out)).toBe(0);
  });
});

describe('primitives', () => {
  it('divides by zero to the largest magnitude, and 0 by 0 to 0', () => {
    expect([div(3, 0), div(-(2 ** -100), 0), div(0, 0)]).toEqual([2 ** 100, -(2 ** 100), 0]);
  });

  it('takes roots of negative numbers as 0', () => {
    expect([sqrt(-1), sqrt(0), sqrt(2)]).toEqual([0, 0, Math.fround(Math.SQRT2)]);
  });

  it('saturates and flushes', () => {
    expect(mul(2 ** 60, -(2 ** 60))).toBe(-(2 ** 100));
    expect(Object.is(mul(-(2 ** -60), 2 ** -60), 0)).toBe(true);
    expect(add(2 ** 100, 2 ** 100)).toBe(2 ** 100);
    expect(sub(fromBits(0x0d800001), 2 ** -100)).toBe(0);
  });

  it('is commutative, and never leaves the values', () => {
    fc.assert(
      fc.property(anyValue, anyValue, (a, b) => {
        expect(Object.is(add(a, b), add(b, a)) && Object.is(mul(a, b), mul(b, a))).toBe(true);
        expect([add(a, b), sub(a, b), mul(a, b), div(a, b), sqrt(a)].every(isValue)).toBe(true);
        expect(Object.is(sub(a, b), N(-sub(b, a)))).toBe(true);
      }),
    );
  });

  it('never makes a subnormal difference, so that a flush mode of the hardware cannot show', () => {
    fc.assert(
      fc.property(anyValue, anyValue, (a, b) => {
        const difference = Math.abs(Math.fround(a - b));
        expect(difference === 0 || difference >= 2 ** -126).toBe(true);
      }),
    );
  });

  it('rounds to even at ties', () => {
    expect([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 126.5, 0.49999997, -3.2].map((x) => roundHalfEven(x) + 0)).toEqual([
      -2, -2, 0, 0, 2, 2, 126, 0, -3,
    ]);
  });

  it('builds powers of two', () => {
    for (let e = -126; e <= 127; e++) expect(powerOfTwo(e)).toBe(2 ** e);
  });
});
