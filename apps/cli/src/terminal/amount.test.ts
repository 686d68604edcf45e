import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseEther, parseUnits } from 'ethers';
import { ether, exactChange, roundedEther, wholeTokens } from './amount.ts';

const wei = fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n });

describe('amounts in ETH', () => {
  it('are exact: reading one again gives the same wei', () => {
    fc.assert(fc.property(wei, (amount) => parseEther(ether(amount)) === amount));
    fc.assert(
      fc.property(
        wei,
        (amount) => parseEther(exactChange(amount).trim().replace('+', '').replaceAll(' ', '')) === amount,
      ),
    );
  });

  it('have no digits that say nothing', () => {
    expect([0n, 1n, 10n ** 18n, 15n * 10n ** 17n, -(10n ** 18n + 7n)].map(ether)).toEqual([
      '0',
      '0.000000000000000001',
      '1',
      '1.5',
      '-1.000000000000000007',
    ]);
  });

  it('stand in columns where all digits count', () => {
    expect(exactChange(-1_234_567_890_123_456_789n)).toBe('-1.234 567 890 123 456 789');
    expect(exactChange(7n)).toBe('+0.000 000 000 000 000 007');
    expect(exactChange(0n)).toBe(' 0.000 000 000 000 000 000');
  });

  it('are rounded to nearest where only their size matters', () => {
    expect(roundedEther(10_000n * 10n ** 18n)).toBe('10,000.0000');
    expect(roundedEther(9_999_649_950_000_000_000_000n)).toBe('9,999.6500');
    expect(roundedEther(-1n)).toBe('0.0000');
    expect(roundedEther(-1_234_567n * 10n ** 18n, 2)).toBe('-1,234,567.00');
  });

  it('rounded, differ from the exact amount by half a unit at most', () => {
    fc.assert(
      fc.property(wei, (amount) => {
        const difference = parseEther(roundedEther(amount).replaceAll(',', '')) - amount;
        expect(difference <= 5n * 10n ** 13n && difference >= -5n * 10n ** 13n).toBe(true);
      }),
    );
  });
});

it('units of a token in whole tokens are exact with any number of decimals', () => {
  fc.assert(
    fc.property(wei, fc.integer({ min: 0, max: 77 }), (units, decimals) => {
      expect(parseUnits(wholeTokens(units, decimals), decimals)).toBe(units);
    }),
  );
  expect(wholeTokens(1_500_000n, 6)).toBe('1.5');
  expect(wholeTokens(40n, 0)).toBe('40');
});
