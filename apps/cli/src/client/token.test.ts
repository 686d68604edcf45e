import { describe, expect, it } from '@jest/globals';
import { ChainUnavailableError } from '@cotrain/chain';
import { AbiCoder, JsonRpcProvider, makeError, parseUnits } from 'ethers';
import fc from 'fast-check';
import { CommandError, exitCodes } from './errors.ts';
import {
  etherToken,
  parseDecimals,
  parseSymbol,
  readToken,
  type Token,
  tokenAmount,
  tokenLabel,
  toUnits,
} from './token.ts';

const address = '0x5FbDB2315678afecb367f032d93F642f64180aa3';
const encoded = (type: string, value: unknown): string => AbiCoder.defaultAbiCoder().encode([type], [value]);
const token = (of: Partial<Token>): Token => ({ address, symbol: 'TEST', decimals: 6, ...of });

describe('the symbol of a token', () => {
  it.each([
    ['a string', encoded('string', 'USDC'), 'USDC'],
    [
      '32 bytes, as old tokens have it',
      encoded('bytes32', `0x${Buffer.from('MKR').toString('hex').padEnd(64, '0')}`),
      'MKR',
    ],
    ['letters of any alphabet', encoded('string', 'ЮАНЬ'), 'ЮАНЬ'],
    ['escape sequences of a terminal', encoded('string', '\u001b[31mRED\u0007'), '31mRED'],
    ['a change of direction and invisible letters', encoded('string', '\u202eHTE\u200b'), 'HTE'],
    ['what would pass for an amount and an address', encoded('string', '1 ETH@0x12'), '1ETH0x12'],
    ['a new line', encoded('string', 'A\nB'), 'AB'],
    ['a book', encoded('string', 'x'.repeat(100_000)), 'x'.repeat(12)],
    ['nothing', encoded('string', ''), null],
    ['only what is not printable', encoded('string', '\u0000\u0007'), null],
    ['no answer', '0x', null],
    ['a string that lies about its length', `0x${'20'.padStart(64, '0')}${'f'.repeat(64)}41`, null],
    ['no hexadecimal digits', '0xzz', null],
  ])('may be %s', (_, answer, symbol) => {
    expect(parseSymbol(answer)).toBe(symbol);
  });

  it('is short and printable, or none, whatever the contract answers', () => {
    const answers = fc.oneof(
      fc.uint8Array({ maxLength: 400 }).map((bytes) => `0x${Buffer.from(bytes).toString('hex')}`),
      fc.string({ unit: 'binary', maxLength: 80 }).map((text) => encoded('string', text)),
      fc.string(),
    );
    fc.assert(
      fc.property(answers, (answer) => {
        expect(parseSymbol(answer) ?? 'x').toMatch(/^[\p{L}\p{N}.$+_-]{1,12}$/u);
      }),
    );
  });
});

it('the decimals of a token are a number that fits, or unknown', () => {
  expect([0n, 6n, 18n, 77n, 78n, 255n, 2n ** 255n].map((count) => parseDecimals(encoded('uint256', count)))).toEqual([
    0,
    6,
    18,
    77,
    null,
    null,
    null,
  ]);
  expect(['0x', '0x06', 'six', `0x${'0'.repeat(128)}`].map(parseDecimals)).toEqual([null, null, null, null]);
});

describe('an amount', () => {
  it('of another token than ETH shows its address, whatever it calls itself', () => {
    expect(tokenAmount(etherToken, 15n * 10n ** 17n)).toBe('1.5 ETH');
    expect(tokenAmount(token({ symbol: 'ETH' }), 1_500_000n)).toBe('1.5 ETH@0x5FbDB2…180aa3');
    expect(tokenLabel(token({ symbol: null }))).toBe('0x5FbDB2…180aa3');
  });

  it('is in smallest units where the decimals are not known', () => {
    expect(tokenAmount(token({ decimals: null }), 1_500_000n)).toBe('1500000 units of TEST@0x5FbDB2…180aa3');
  });

  it('is read exactly, with the decimals of the token', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 20 }), fc.bigInt({ min: 0n, max: 2n ** 60n }), (decimals, units) => {
        const whole = units / 10n ** BigInt(decimals);
        const fraction = String(units % 10n ** BigInt(decimals)).padStart(decimals, '0');
        const text = decimals === 0 ? String(whole) : `${String(whole)}.${fraction}`;
        expect(toUnits(text, decimals, '--reward')).toBe(units);
        expect(toUnits(text, decimals, '--reward')).toBe(parseUnits(text, decimals));
      }),
    );
  });

  it.each([
    ['0.1234567', 6, '--reward is 0.1234567: this token has 6 decimals. Give at most so many.'],
    ['0.5', 0, '--reward is 0.5: this token has 0 decimals. Give at most so many.'],
    ['4', 77, '--reward is 4: that is more than the market can hold.'],
  ])('of %s with %d decimals is refused', (text, decimals, message) => {
    expect(() => toUnits(text, decimals, '--reward')).toThrow(new CommandError(exitCodes.usage, message));
  });
});

describe('a contract that is asked what it is', () => {
  class Chain extends JsonRpcProvider {
    constructor(private readonly answer: () => Promise<string>) {
      super('http://127.0.0.1:9', 1, { staticNetwork: true });
    }
    override call(): Promise<string> {
      return this.answer();
    }
  }

  it('has no name and no decimals when it refuses to answer', async () => {
    const refusal = makeError('execution reverted', 'CALL_EXCEPTION', {
      action: 'call',
      data: '0x',
      reason: null,
      transaction: { to: address, data: '0x' },
      invocation: null,
      revert: null,
    });
    const chain = new Chain(() => Promise.reject(refusal));
    expect(await readToken(chain, address.toLowerCase())).toEqual({ address, symbol: null, decimals: null });
  });

  it('is not taken for one without a name when the chain is away', async () => {
    const chain = new Chain(() => Promise.reject(new Error('connect ECONNREFUSED')));
    await expect(readToken(chain, address)).rejects.toThrow(ChainUnavailableError);
  });
});
