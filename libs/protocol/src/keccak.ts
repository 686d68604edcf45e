import { keccak_256 } from '@noble/hashes/sha3.js';
import { type Hex, toHex } from './reference.ts';

/** keccak-256, the hash of Ethereum and Swarm, as `0x` hexadecimal. */
export function keccak256(bytes: Uint8Array): Hex {
  return toHex(keccak_256(bytes));
}

/** The same hash as 32 bytes. */
export function keccak256Bytes(bytes: Uint8Array): Uint8Array {
  return keccak_256(bytes);
}
