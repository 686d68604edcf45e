import { expect, it } from '@jest/globals';
import { encodeCall, trainingMarketAbi } from '@cotrain/chain';
import fc from 'fast-check';
import { balanceSheet, sheetLines } from './balance-sheet.ts';
import { functionName } from './report.ts';

const accounts = ['ann', 'ben', 'market'].map((name) => ({ name, address: `0x${name}` }));
const amount = fc.bigInt({ min: 0n, max: 10n ** 24n });

it('agrees exactly when every wei that left an account is in another or was paid for gas', () => {
  fc.assert(
    fc.property(fc.array(amount, { minLength: 3, maxLength: 3 }), amount, amount, (before, moved, gas) => {
      const [ann = 0n, ben = 0n, market = 0n] = before;
      const start = new Map(accounts.map(({ address }, index) => [address, before[index] ?? 0n]));
      const end = new Map([
        ['0xann', ann - moved - gas],
        ['0xben', ben],
        ['0xmarket', market + moved],
      ]);
      const sheet = balanceSheet(accounts, start, end, gas);
      expect(sheet.sumAfterWei).toBe(sheet.sumBeforeWei);
      expect(balanceSheet(accounts, start, end, gas + 1n).sumAfterWei).not.toBe(sheet.sumBeforeWei);
    }),
  );
});

it('shows changes to the wei, and gas on a line of its own', () => {
  const before = new Map([
    ['0xann', 10n ** 22n],
    ['0xben', 0n],
  ]);
  const after = new Map([
    ['0xann', 10n ** 22n - 1_000_000_000_000_000_003n],
    ['0xben', 10n ** 18n],
  ]);
  expect(sheetLines(balanceSheet(accounts, before, after, 3n))).toEqual([
    '                                before          after            change, to the wei',
    '  ann                      10,000.0000     9,999.0000    -1.000 000 000 000 000 003',
    '  ben                           0.0000         1.0000    +1.000 000 000 000 000 000',
    '  market                        0.0000         0.0000     0.000 000 000 000 000 000',
    '  gas                           0.0000         0.0000    +0.000 000 000 000 000 003',
    `  ${'-'.repeat(21)} ${'-'.repeat(14)} ${'-'.repeat(14)}   ${'-'.repeat(27)}`,
    '  sum                      10,000.0000    10,000.0000     0.000 000 000 000 000 000',
  ]);
});

it('names a transaction after the function that it calls', () => {
  expect(functionName(encodeCall({ abi: trainingMarketAbi, functionName: 'award', args: [1n] }).data)).toBe('award');
  expect(functionName('0x12345678')).toBe('0x12345678');
});
