import { InvalidReferenceError } from './errors.ts';

/** Bytes as lower-case hexadecimal digits after `0x`. */
export type Hex = `0x${string}`;

/** A Swarm address: the 32-byte BMT root of some bytes, as `0x` and 64 lower-case hexadecimal digits. */
export type Reference = Hex;

/** The reference that stands for "none" in fixed-size records. */
export const ZERO_REFERENCE: Reference = `0x${'0'.repeat(64)}`;

const pattern = /^(?:0x)?([0-9a-fA-F]{64})$/;

/**
 * Reads a reference as people and Bee write it, with or without `0x`.
 * @throws InvalidReferenceError naming `field`
 */
export function parseReference(value: string, field: string): Reference {
  // The length is checked before the pattern, so that a hostile string costs nothing.
  const digits = value.length <= 66 ? pattern.exec(value)?.[1] : undefined;
  if (digits === undefined) throw new InvalidReferenceError(field, value);
  return `0x${digits.toLowerCase()}`;
}

/** Bytes as `0x` hexadecimal. */
export function toHex(bytes: Uint8Array): Hex {
  return `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`;
}

/** `0x` hexadecimal as bytes; the caller has checked its form. */
export function fromHex(hex: Hex): Uint8Array {
  return new Uint8Array(Buffer.from(hex.slice(2), 'hex'));
}
