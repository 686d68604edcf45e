import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { anyValue, fromBits, hardValues, isValue } from '../../test/values.ts';
import { binaryOperations, unaryOperations, type UnaryOperation } from '../kernels.ts';
import { binaryFunctions, pow } from './arithmetic.ts';
import { unaryFunctions } from './unary.ts';

/** Float64 erfc by its continued fraction; erf by its series near 0. */
function erfSeries(x: number): number {
  let sum = x;
  let term = x;
  for (let n = 1; n < 120; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (sum * 2) / Math.sqrt(Math.PI);
}
function erfcFraction(x: number): number {
  let f = 0;
  for (let k = 200; k > 0; k--) f = k / 2 / (x + f);
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + f);
}
const erf64 = (x: number): number => (Math.abs(x) < 2 ? erfSeries(x) : Math.sign(x) * (1 - erfcFraction(Math.abs(x))));

// The largest error in units in the last place over every float of the range, as docs/exact-1.md §14 states it.
const bounds: Partial<Record<UnaryOperation, [truth: (x: number) => number, low: number, high: number, ulp: number]>> =
  {
    exp: [Math.exp, -69.3, 69.3, 1.2],
    expm1: [Math.expm1, -69.3, 69.3, 2.6],
    log: [Math.log, 2 ** -100, 2 ** 100, 0.85],
    log1p: [Math.log1p, -0.999999, 2 ** 100, 2.5],
    sigmoid: [(x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x))), -69, 69, 2.4],
    tanh: [Math.tanh, -12, 12, 1.4],
    erf: [erf64, -4.5, 4.5, 1.2],
    softplus: [(x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), -69, 2 ** 60, 2.9],
    rsqrt: [(x) => 1 / Math.sqrt(x), 2 ** -100, 2 ** 100, 1.5],
    sqrt: [Math.sqrt, 0, 2 ** 100, 0.5],
    reciprocal: [(x) => 1 / x, 2 ** -99, 2 ** 99, 0.5],
  };

describe('functions of one value', () => {
  it.each(Object.entries(bounds))('%s is as near to the truth as documented', (name, [truth, low, high, ulp]) => {
    const apply = unaryFunctions[name as UnaryOperation];
    let worst = 0;
    for (let bits = 0x0d800000; bits <= 0x71800000; bits += 40_009)
      for (const x of [fromBits(bits), -fromBits(bits)]) {
        if (x < low || x > high) continue;
        const exact = truth(x);
        const unit = 2 ** (Math.max(-100, Math.floor(Math.log2(Math.abs(exact)))) - 23);
        worst = Math.max(worst, Math.abs(apply(x, 0, 0) - exact) / unit);
      }
    expect(worst).toBeGreaterThan(0.1);
    expect(worst).toBeLessThanOrEqual(ulp);
  });

  it('gelu is off by less than a unit of 1 times |x|', () => {
    for (let x = -8; x <= 8; x += 0.003) {
      const value = Math.fround(x);
      const exact =
        value < -2 ? 0.5 * value * erfcFraction(-value / Math.SQRT2) : 0.5 * value * (1 + erf64(value / Math.SQRT2));
      expect(Math.abs(unaryFunctions.gelu(value, 0, 0) - exact)).toBeLessThanOrEqual(
        2 ** -23 * Math.max(1, Math.abs(value)),
      );
    }
  });

  it.each(unaryOperations)('%s maps values to values', (name) => {
    const inputs = [...hardValues];
    for (let bits = 0x0d800000; bits <= 0x71800000; bits += 1_000_003) inputs.push(fromBits(bits), -fromBits(bits));
    expect(inputs.filter((x) => !isValue(unaryFunctions[name](x, 0.25, 6)))).toEqual([]);
  });

  it('has the exact results that people expect', () => {
    const at = (name: UnaryOperation, x: number): number => unaryFunctions[name](x, 0, 0);
    expect(at('exp', 0)).toBe(1);
    expect(at('log', 1)).toBe(0);
    expect(at('tanh', 0)).toBe(0);
    expect(at('erf', 0)).toBe(0);
    expect(at('sigmoid', 0)).toBe(0.5);
    expect(at('tanh', 30)).toBe(1);
    expect(at('tanh', -30)).toBe(-1);
    expect(at('erf', -7)).toBe(-1);
    expect(at('exp', -1e9)).toBe(0);
    expect(at('exp', 1e9)).toBe(2 ** 100);
    expect(at('log', 0)).toBe(at('log', 2 ** -100));
    expect(at('log', -5)).toBe(at('log', 2 ** -100));
    expect(at('rsqrt', 0)).toBe(2 ** 100);
    expect(at('reciprocal', 0)).toBe(2 ** 100);
    expect(at('floor', -(2 ** -100))).toBe(-1);
    expect(Object.is(at('ceil', -0.5), 0)).toBe(true);
    expect(Object.is(at('round', -0.5), 0)).toBe(true);
  });

  it('keeps odd functions odd', () => {
    fc.assert(
      fc.property(anyValue, fc.constantFrom('tanh', 'erf', 'neg', 'sign'), (x, name) => {
        const apply = unaryFunctions[name as UnaryOperation];
        expect(apply(-x + 0, 0, 0)).toBe(-apply(x, 0, 0) + 0);
      }),
    );
  });
});

describe('functions of two values', () => {
  it.each(binaryOperations)('%s maps values to values', (name) => {
    const wrong = hardValues.flatMap((a) =>
      hardValues.filter((b) => !isValue(binaryFunctions[name](a, b))).map((b) => [a, b]),
    );
    expect(wrong).toEqual([]);
  });

  it('raises to integer powers by squaring', () => {
    expect(pow(3, 5)).toBe(243);
    expect(pow(-2, 3)).toBe(-8);
    expect(pow(-2, -2)).toBe(0.25);
    expect(pow(0, 0)).toBe(1);
    expect(pow(0, -1)).toBe(2 ** 100);
    expect(pow(9, 0.5)).toBe(3);
    expect(pow(-9, 0.3)).toBe(0);
    expect(Math.abs(pow(2, 0.1) - 2 ** 0.1)).toBeLessThan(2e-7);
    expect(pow(2, 64)).toBe(2 ** 64);
  });

  it('takes remainders with the sign of the divisor', () => {
    expect(binaryFunctions.mod(-7, 3)).toBe(2);
    expect(binaryFunctions.mod(7, -3)).toBe(-2);
    expect(binaryFunctions.mod(7, 0)).toBe(7);
  });
});
