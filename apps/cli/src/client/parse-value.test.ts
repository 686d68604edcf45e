import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatEther } from 'ethers';
import { hours } from './parse-hours.ts';
import { address, decimal, etherAmount, payerShare, port, positiveInteger, seed, wholeNumber } from './parse-value.ts';

const payer = `0x${'1'.repeat(40)}`;

it.each<[string, (text: string) => unknown, string[]]>([
  ['a positive whole number', positiveInteger, ['', '0', '-1', '1.5', '1e3', '0x10', ' 1', '9007199254740993', 'many']],
  ['a whole number', wholeNumber, ['', '-1', '1.5', '1e3', '12345678901234567890']],
  ['a port', port, ['65536', '-1', 'http']],
  ['a decimal', decimal, ['', ' ', '-0.5', 'NaN', 'Infinity', '1,5']],
  ['an amount of ETH', etherAmount, ['', '-1', '1.', '.5', '1e3', '0.0000000000000000001', '1 ETH', '0x1']],
  ['a seed', seed, ['', '-1', '18446744073709551616', '1.0', '0x1']],
  ['an address', address, ['', '0x12', `${payer}1`, 'vitalik.eth']],
  ['a payer', payerShare, ['', '0x12=1', `${payer}=0`, `${payer}=x`, `${payer}=1=2`, `${payer}=4294967296`]],
  [
    'hours',
    hours,
    [
      '',
      'mon',
      'mon@22:00',
      'mon@22:00+60',
      'xyz@22:00+60@Europe/Berlin',
      'mon@24:00+60@Europe/Berlin',
      'mon@22:00+0@Europe/Berlin',
      'mon@22:00+99999@Europe/Berlin',
      'mon@22:00+60@Europe/Atlantis',
    ],
  ],
])('refuses what is no %s and says what to write instead', (_, parse, bad) => {
  for (const text of bad) expect(() => parse(text)).toThrow(/Give|Write/);
});

describe('amounts of ETH', () => {
  it('are read to the wei', () => {
    const amount = fc.bigInt({ min: 0n, max: 10n ** 29n });
    fc.assert(fc.property(amount, (wei) => etherAmount(formatEther(wei)) === wei));
  });
});

describe('payers', () => {
  it('have one unit unless they name more', () => {
    const other = `0x${'2'.repeat(40)}`;
    expect(payerShare(`${other}=3`, payerShare(payer))).toEqual([
      { address: payer, units: 1 },
      { address: other, units: 3 },
    ]);
  });

  it('are named once', () => {
    expect(() => payerShare(payer.toUpperCase().replace('0X', '0x'), payerShare(payer))).toThrow(/twice/);
  });
});

describe('hours', () => {
  it('are days, start, minutes and zone', () => {
    expect(hours('mon,tue@22:00+480@Europe/Berlin')).toEqual([
      { days: ['mon', 'tue'], start: '22:00', durationMinutes: 480, timeZone: 'Europe/Berlin' },
    ]);
  });

  it('know groups of days, and add up', () => {
    const all = hours('weekends,fri@00:00+1440@UTC', hours('daily@01:30+60@UTC'));
    expect(all.map(({ days }) => days.length)).toEqual([7, 3]);
  });
});
