import { parseReference } from '@cotrain/protocol';
import { getAddress } from 'ethers';
import { GraphQLError, GraphQLScalarType, Kind, type ValueNode } from 'graphql';

/** A scalar that travels as a string and is checked by `read`, wherever it comes from. */
function textScalar(name: string, description: string, read: (text: string) => string): GraphQLScalarType<string> {
  const parse = (value: unknown): string => {
    if (typeof value !== 'string') throw new GraphQLError(`${name} must be a string. ${description}`);
    try {
      return read(value);
    } catch (cause) {
      const shown = value.length > 80 ? `${value.slice(0, 80)}...` : value;
      throw new GraphQLError(`${name} cannot be "${shown}". ${description}`, {
        ...(cause instanceof Error ? { originalError: cause } : {}),
      });
    }
  };
  return new GraphQLScalarType<string>({
    name,
    description,
    serialize: (value) => String(value),
    parseValue: parse,
    parseLiteral: (node: ValueNode) => parse(node.kind === Kind.STRING ? node.value : null),
  });
}

function matching(pattern: RegExp): (text: string) => string {
  return (text) => {
    if (!pattern.test(text)) throw new RangeError(`it does not match ${String(pattern)}`);
    return text;
  };
}

/** Largest number of decimal digits that always fits 256 bits. */
const digits = 77;

export const Wei = textScalar(
  'Wei',
  'An amount in the smallest unit of its token (wei for ETH), as a decimal string without sign, such as "1500000000000000000". JSON numbers are refused, because they lose digits.',
  matching(new RegExp(`^\\d{1,${String(digits)}}$`)),
);

export const UInt64 = textScalar('UInt64', 'A whole number from 0 to 2^64 - 1, as a decimal string.', (text) => {
  if (!/^\d{1,20}$/.test(text) || BigInt(text) >= 1n << 64n) throw new RangeError('it does not fit 64 bits');
  return text;
});

export const UInt32 = new GraphQLScalarType<number, number>({
  name: 'UInt32',
  description: 'A whole number from 0 to 4294967295; more than an Int holds.',
  serialize: readUInt32,
  parseValue: readUInt32,
  parseLiteral: (node: ValueNode) => readUInt32(node.kind === Kind.INT ? Number(node.value) : null),
});

function readUInt32(value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 2 ** 32) return value;
  throw new GraphQLError('UInt32 must be a whole number from 0 to 4294967295.');
}

export const Address = textScalar(
  'Address',
  'An Ethereum address: 0x and 40 hexadecimal digits, in lower case or with a correct checksum (EIP-55). Answers carry the checksum.',
  getAddress,
);

export const Reference = textScalar(
  'Reference',
  'A Swarm reference, the root of a file: 0x and 64 lower-case hexadecimal digits.',
  (text) => parseReference(text, 'the reference'),
);

export const Hash = textScalar(
  'Hash',
  'A 32-byte hash, such as that of a transaction: 0x and 64 lower-case hexadecimal digits.',
  matching(/^0x[0-9a-f]{64}$/),
);

export const Bytes = textScalar(
  'Bytes',
  'Bytes of any length: 0x and an even number of lower-case hexadecimal digits.',
  matching(/^0x([0-9a-f]{2})*$/),
);
