import { type BackendName, backendNames } from '@cotrain/protocol';
import { InvalidArgumentError } from 'commander';
import { getAddress, isAddress, parseEther, ZeroAddress } from 'ethers';

// Values of flags and arguments. Commander puts the flag and the value in front of the message.

export function positiveInteger(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('Give a whole number from 1 on.');
  return value;
}

export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('Give a whole number from 0 on.');
  return Number(text);
}

export function port(text: string): number {
  const value = wholeNumber(text);
  if (value > 65_535) throw new InvalidArgumentError('Give a port from 0 (any free one) to 65535.');
  return value;
}

export function decimal(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError('Give a number such as 0.5, not below 0.');
  return value;
}

/** Decimal ETH as wei. */
export function etherAmount(text: string): bigint {
  if (!/^\d{1,12}(\.\d{1,18})?$/.test(text))
    throw new InvalidArgumentError('Give an amount in ETH such as 1.5, with at most 18 decimals.');
  return parseEther(text);
}

/** A decimal amount of a token whose decimals are not known yet; `toUnits` reads it. */
export function decimalAmount(text: string): string {
  if (!/^\d{1,40}(\.\d{1,77})?$/.test(text)) throw new InvalidArgumentError('Give an amount such as 1.5.');
  return text;
}

/** An unsigned 64-bit number in decimal. */
export function seed(text: string): bigint {
  if (!/^\d{1,20}$/.test(text) || BigInt(text) >= 2n ** 64n)
    throw new InvalidArgumentError('Give a whole number from 0 to 2^64 - 1.');
  return BigInt(text);
}

export function address(text: string): string {
  if (!isAddress(text)) throw new InvalidArgumentError('Give an address: 0x and 40 hexadecimal digits.');
  return text;
}

/** A payer and his units of the whole. */
export interface PayerShare {
  address: string;
  units: number;
}

/** Reads `ADDRESS` or `ADDRESS=UNITS`; may be repeated. */
export function payerShare(text: string, all: PayerShare[] = []): PayerShare[] {
  const [who = '', units = '1', ...rest] = text.split('=');
  if (!isAddress(who) || rest.length > 0)
    throw new InvalidArgumentError('Write ADDRESS or ADDRESS=UNITS, such as 0x5B38…C4=3.');
  if (all.some((other) => other.address.toLowerCase() === who.toLowerCase()))
    throw new InvalidArgumentError('This payer is named twice: give him all his units at once.');
  const share = { address: who, units: positiveInteger(units) };
  if (share.units >= 2 ** 32) throw new InvalidArgumentError('Give at most 4294967295 units.');
  return [...all, share];
}

/** A TensorFlow.js backend; may be repeated. */
export function backend(text: string, all: BackendName[] = []): BackendName[] {
  const name = backendNames.find((known) => known === text);
  if (name === undefined) throw new InvalidArgumentError(`Give one of ${backendNames.join(', ')}.`);
  return [...new Set([...all, name])];
}

/** A token's address, or ETH for the zero address; may be repeated. */
export function tokenAddress(text: string, all: string[] = []): string[] {
  const token = text.toUpperCase() === 'ETH' ? ZeroAddress : address(text);
  return [...new Set([...all, getAddress(token.toLowerCase())])];
}
