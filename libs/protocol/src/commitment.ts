import { OutOfRangeError } from './errors.ts';
import { keccak256 } from './keccak.ts';
import { fromHex, type Hex, type Reference } from './reference.ts';

/** What a trainer puts on chain, bound to one offer of one market on one chain. */
export interface Commitment {
  chainId: bigint;
  market: Hex;
  offerId: bigint;
  trainer: Hex;
  /** Of the job that was trained: see `hashJobHeader`. */
  jobHeaderHash: Hex;
  logReference: Reference;
  modelReference: Reference;
}

/**
 * keccak256(abi.encode(chainId, market, offerId, trainer, jobHeaderHash, logReference, modelReference)), as the market
 * computes it.
 * @throws OutOfRangeError
 */
export function commitmentHash(commitment: Commitment): Hex {
  const bytes = new Uint8Array(7 * 32);
  const words = [
    uint256(commitment.chainId, 'chainId'),
    address(commitment.market, 'market'),
    uint256(commitment.offerId, 'offerId'),
    address(commitment.trainer, 'trainer'),
    bytes32(commitment.jobHeaderHash, 'jobHeaderHash'),
    bytes32(commitment.logReference, 'logReference'),
    bytes32(commitment.modelReference, 'modelReference'),
  ];
  words.forEach((word, index) => {
    bytes.set(word, index * 32 + 32 - word.length);
  });
  return keccak256(bytes);
}

function uint256(value: bigint, field: string): Uint8Array {
  if (value < 0n || value >= 2n ** 256n) throw new OutOfRangeError(field, value, 'an unsigned 256-bit integer');
  return fromHex(`0x${value.toString(16).padStart(64, '0')}`);
}

function bytes32(value: Hex, field: string): Uint8Array {
  const bytes = fromHex(value);
  if (bytes.length !== 32) throw new OutOfRangeError(field, bytes.length, 'a word of 32 bytes');
  return bytes;
}

function address(value: Hex, field: string): Uint8Array {
  const bytes = fromHex(value);
  if (bytes.length !== 20) throw new OutOfRangeError(field, bytes.length, 'an address of 20 bytes');
  return bytes;
}
