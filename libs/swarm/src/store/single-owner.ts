import { Signature } from '@ethersphere/bee-js';
import { fromHex, keccak256, type Hex, type Reference } from '@cotrain/protocol';
import { CHUNK_BYTES, chunkAddressBytes, SPAN_BYTES, spanOf } from '../chunk-address.ts';
import { type ChunkFiles, concatHex } from './chunk-files.ts';
import { HttpError } from './http-error.ts';

const SIGNATURE_BYTES = 65;
const IDENTIFIER_BYTES = 32;

/** Address of an owner's chunk. @param owner 20 bytes @param identifier 32 bytes */
export function singleOwnerAddress(owner: Hex, identifier: Hex): Reference {
  return keccak256(concatHex(identifier, owner));
}

/** Checks the owner's signature over a chunk and stores both. */
export function storeSingleOwnerChunk(
  files: ChunkFiles,
  owner: Hex,
  identifier: Hex,
  signature: string,
  data: Uint8Array,
): Reference {
  if (!/^(0x)?[0-9a-fA-F]{130}$/.test(signature)) throw new HttpError(400, 'invalid query params: sig');
  const payload = data.subarray(SPAN_BYTES);
  const digest = Buffer.concat([fromHex(identifier), chunkAddressBytes(spanOf(data), payload)]);
  if (recoverSigner(signature, digest) !== owner) throw new HttpError(401, 'invalid address');
  const reference = singleOwnerAddress(owner, identifier);
  const signatureBytes = Buffer.from(signature.replace(/^0x/, ''), 'hex');
  files.write(reference, Buffer.concat([fromHex(identifier), signatureBytes, data]));
  return reference;
}

function recoverSigner(signature: string, digest: Uint8Array): Hex {
  try {
    return `0x${new Signature(signature).recoverPublicKey(digest).address().toHex()}`;
  } catch {
    // bee-js throws plain errors for points that are not on the curve: no signer, hence the wrong one.
    return '0x';
  }
}

/** An owner's chunk with its parts; undefined if there is none. */
export function readSingleOwnerChunk(
  files: ChunkFiles,
  owner: Hex,
  identifier: Hex,
): { signature: string; data: Uint8Array } | undefined {
  const stored = files.read(singleOwnerAddress(owner, identifier));
  if (stored === undefined || stored.length < IDENTIFIER_BYTES + SIGNATURE_BYTES + SPAN_BYTES) return undefined;
  const data = stored.subarray(IDENTIFIER_BYTES + SIGNATURE_BYTES);
  if (data.length > SPAN_BYTES + CHUNK_BYTES) return undefined;
  return {
    signature: Buffer.from(stored.subarray(IDENTIFIER_BYTES, IDENTIFIER_BYTES + SIGNATURE_BYTES)).toString('hex'),
    data,
  };
}

/** Identifier of a feed's update: keccak(topic, index as 8 bytes big-endian). */
function feedIdentifier(topic: Hex, index: number): Hex {
  const bytes = new Uint8Array(40);
  bytes.set(fromHex(topic));
  new DataView(bytes.buffer).setBigUint64(32, BigInt(index));
  return keccak256(bytes);
}

/** The newest update of a sequential feed. Updates have no gaps, so doubling and halving find it. */
export function latestUpdate(
  files: ChunkFiles,
  owner: Hex,
  topic: Hex,
): { index: number; signature: string; data: Uint8Array } | undefined {
  const at = (index: number): { signature: string; data: Uint8Array } | undefined =>
    readSingleOwnerChunk(files, owner, feedIdentifier(topic, index));
  if (at(0) === undefined) return undefined;
  let present = 0;
  let absent = 1;
  while (at(absent) !== undefined) [present, absent] = [absent, absent * 2];
  while (absent - present > 1) {
    const middle = Math.floor((present + absent) / 2);
    if (at(middle) === undefined) absent = middle;
    else present = middle;
  }
  const update = at(present);
  return update === undefined ? undefined : { index: present, ...update };
}
