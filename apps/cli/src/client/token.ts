import { asChainError, CallRevertedError } from '@cotrain/chain';
import { getAddress, type Provider } from 'ethers';
import { wholeTokens } from '../terminal/amount.ts';
import { CommandError, exitCodes } from './errors.ts';

/** What amounts are counted in. */
export interface Token {
  /** The zero address is ETH. */
  address: string;
  /** In the token's own words, made printable; null when it says none. Nobody checks that it is true. */
  symbol: string | null;
  /** Digits after the point of a whole token; null when it says none. */
  decimals: number | null;
}

const zeroAddress = `0x${'0'.repeat(40)}`;

/** A token of which amounts can be written in whole tokens. */
export type PayableToken = Token & { decimals: number };

export const etherToken: PayableToken = { address: zeroAddress, symbol: 'ETH', decimals: 18 };

export function isEther(token: Pick<Token, 'address'>): boolean {
  return token.address === zeroAddress;
}

/** With one more, a whole token would not fit into 256 bits. */
export const maxDecimals = 77;
const maxSymbolLength = 12;
/** A token is anybody's code: enough gas for a proxy, and too little for an answer that fills the memory. */
const gasOfQuestion = 300_000;
const selectors = { decimals: '0x313ce567', symbol: '0x95d89b41' } as const;

/**
 * Asks a token's contract what it is. Whatever it answers gives a Token: nonsense counts as no answer.
 * @throws ChainUnavailableError
 */
export async function readToken(provider: Provider, address: string): Promise<Token> {
  const [decimals, symbol] = await Promise.all([ask(provider, address, 'decimals'), ask(provider, address, 'symbol')]);
  return { address: getAddress(address.toLowerCase()), symbol: parseSymbol(symbol), decimals: parseDecimals(decimals) };
}

async function ask(provider: Provider, to: string, question: keyof typeof selectors): Promise<string> {
  try {
    return await provider.call({ to, data: selectors[question], gasLimit: gasOfQuestion });
  } catch (error) {
    const reason = asChainError(error, question);
    if (reason instanceof CallRevertedError) return '0x';
    throw reason;
  }
}

/** The answer to `decimals()`. */
export function parseDecimals(answer: string): number | null {
  if (!/^0x[0-9a-f]{64}$/i.test(answer)) return null;
  const decimals = BigInt(answer);
  return decimals <= BigInt(maxDecimals) ? Number(decimals) : null;
}

/**
 * The answer to `symbol()`: a string, or 32 bytes as old tokens have it. Only its first letters, digits and signs are
 * kept: a stranger's text must not steer a terminal, turn the direction of a line or pass for an amount.
 */
export function parseSymbol(answer: string): string | null {
  if (!/^0x([0-9a-f]{2})*$/i.test(answer)) return null;
  const bytes = Buffer.from(answer.slice(2, 2 + 2 * 256), 'hex');
  let text = bytes;
  if (bytes.length !== 32) {
    const isString = bytes.length >= 64 && bytes.readBigUInt64BE(24) === 32n && isZero(bytes.subarray(0, 24));
    if (!isString || !isZero(bytes.subarray(32, 56))) return null;
    const length = bytes.readBigUInt64BE(56);
    text = bytes.subarray(64, 64 + Number(length < 192n ? length : 192n));
  }
  const printable = text
    .toString('utf8')
    .replace(/[^\p{L}\p{N}.$+_-]/gu, '')
    .slice(0, maxSymbolLength);
  return printable === '' ? null : printable;
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** A token's name for a person: anybody may call his token ETH, so all but the real one show their address. */
export function tokenLabel(token: Token): string {
  if (isEther(token)) return 'ETH';
  const address = `${token.address.slice(0, 8)}…${token.address.slice(-6)}`;
  return token.symbol === null ? address : `${token.symbol}@${address}`;
}

/** An amount in whole tokens, or in the smallest units of a token that does not say its decimals. */
export function tokenAmount(token: Token, units: bigint): string {
  return token.decimals === null
    ? `${String(units)} units of ${tokenLabel(token)}`
    : `${wholeTokens(units, token.decimals)} ${tokenLabel(token)}`;
}

/** Largest amount that the contracts hold. */
const maxUnits = 2n ** 128n;

/**
 * A decimal amount in the token's smallest units, exact.
 * @throws CommandError with exit code 2 when it has more decimals than the token, or is out of range
 */
export function toUnits(text: string, decimals: number, flag: string): bigint {
  const [whole = '', fraction = ''] = text.split('.');
  if (fraction.length > decimals)
    throw new CommandError(
      exitCodes.usage,
      `${flag} is ${text}: this token has ${String(decimals)} decimals. Give at most so many.`,
    );
  const units = BigInt(whole + fraction.padEnd(decimals, '0'));
  if (units >= maxUnits)
    throw new CommandError(exitCodes.usage, `${flag} is ${text}: that is more than the market can hold.`);
  return units;
}
