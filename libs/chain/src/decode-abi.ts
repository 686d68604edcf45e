import { getAddress, type ParamType } from 'ethers';

/** Data that no compiler writes for the type: too short, not padded, out of range, or pointing outside. */
export class MalformedAbiDataError extends Error {
  override readonly name = 'MalformedAbiDataError';
}

/**
 * Decodes ABI-encoded words in the shape that abitype types them: structs are objects, integers of at most 48 bits are
 * numbers, larger ones bigint, addresses carry their checksum. Several times as fast as ethers, which hashes each
 * address anew; that is what indexing a chain spends its time on. Work is linear in the length of the data.
 */
export class AbiDecoder {
  private readonly words: string;
  /** Each value takes at least one word; data that points many times at the same words would take more. */
  private budget: number;

  /** @param data lower-case hex with 0x */
  constructor(data: string) {
    this.words = data.slice(2);
    this.budget = this.words.length / 64;
  }

  /** @throws MalformedAbiDataError */
  tuple(types: readonly ParamType[], start = 0): unknown[] {
    let at = start;
    return types.map((type) => {
      const value = isDynamic(type) ? this.value(type, start + this.offset(at)) : this.value(type, at);
      at += headLength(type);
      return value;
    });
  }

  /** A value whose head starts at a character of the data. */
  private value(type: ParamType, at: number): unknown {
    if (type.isArray()) return this.array(type.arrayChildren, type.arrayLength ?? -1, at);
    if (type.isTuple()) {
      const values = this.tuple(type.components, at);
      return Object.fromEntries(type.components.map((member, index) => [member.name, values[index]]));
    }
    if (type.type === 'bytes' || type.type === 'string') {
      const length = this.offset(at) / 2;
      const hex = this.slice(at + 64, length * 2);
      return type.type === 'bytes' ? `0x${hex}` : Buffer.from(hex, 'hex').toString('utf8');
    }
    if (--this.budget < 0) throw new MalformedAbiDataError('the data is used more than once');
    return decodeWord(type.type, this.slice(at, 64));
  }

  private array(item: ParamType, fixedLength: number, at: number): unknown[] {
    const start = fixedLength < 0 ? at + 64 : at;
    const length = fixedLength < 0 ? this.offset(at) / 2 : fixedLength;
    if (start + length * headLength(item) > this.words.length) throw new MalformedAbiDataError('the array is cut off');
    return this.tuple(
      Array.from({ length }, () => item),
      start,
    );
  }

  /** An offset or length in characters of hex; both count bytes. */
  private offset(at: number): number {
    const word = this.slice(at, 64);
    const bytes = /^0{56}/.test(word) ? Number.parseInt(word.slice(56), 16) : Infinity;
    if (bytes * 2 > this.words.length) throw new MalformedAbiDataError('an offset points outside');
    return bytes * 2;
  }

  private slice(at: number, length: number): string {
    if (at + length > this.words.length) throw new MalformedAbiDataError('the data is too short');
    return this.words.slice(at, at + length);
  }
}

/** Decodes one word of a static type. @throws MalformedAbiDataError */
export function decodeWord(type: string, word: string): unknown {
  const [, kind = '', size = ''] = /^([a-z]+)(\d*)$/.exec(type) ?? [];
  switch (kind) {
    case 'address':
      if (!word.startsWith('0'.repeat(24))) throw new MalformedAbiDataError('an address is too long');
      return checksumAddress(word.slice(24));
    case 'bool':
      if (!/^0{63}[01]$/.test(word)) throw new MalformedAbiDataError('a bool is neither 0 nor 1');
      return word.endsWith('1');
    case 'bytes': {
      const end = Number(size) * 2;
      if (!/^0*$/.test(word.slice(end))) throw new MalformedAbiDataError('fixed bytes are too long');
      return `0x${word.slice(0, end)}`;
    }
    case 'uint': {
      const bits = Number(size);
      if (!/^0*$/.test(word.slice(0, 64 - bits / 4))) throw new MalformedAbiDataError('an integer is too large');
      return bits <= 48 ? Number.parseInt(word.slice(-12), 16) : BigInt(`0x${word}`);
    }
    case 'int': {
      const bits = Number(size);
      const value = BigInt.asIntN(256, BigInt(`0x${word}`));
      if (BigInt.asIntN(bits, value) !== value) throw new MalformedAbiDataError('an integer is too large');
      return bits <= 48 ? Number(value) : value;
    }
    default:
      throw new MalformedAbiDataError(`there is no type ${type}`);
  }
}

function isDynamic(type: ParamType): boolean {
  if (type.isArray()) return type.arrayLength === -1 || isDynamic(type.arrayChildren);
  if (type.isTuple()) return type.components.some(isDynamic);
  return type.type === 'bytes' || type.type === 'string';
}

/** Characters that a value takes where it stands; a dynamic one leaves an offset there. */
function headLength(type: ParamType): number {
  if (isDynamic(type)) return 64;
  if (type.isArray()) return (type.arrayLength ?? 0) * headLength(type.arrayChildren);
  if (type.isTuple()) return type.components.reduce((sum, member) => sum + headLength(member), 0);
  return 64;
}

const knownAddresses = new Map<string, string>();

/** A checksum costs a hash, and the same accounts come again and again. */
function checksumAddress(hex: string): string {
  let found = knownAddresses.get(hex);
  if (found === undefined) {
    if (knownAddresses.size >= 20_000) knownAddresses.clear();
    found = getAddress(`0x${hex}`);
    knownAddresses.set(hex, found);
  }
  return found;
}
