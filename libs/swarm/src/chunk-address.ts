import { createKeccak } from 'hash-wasm';
import { type Reference, toHex } from '@cotrain/protocol';

/** Bytes of data, or of child references, in one chunk. */
export const CHUNK_BYTES = 4096;
/** Little-endian length of the data below a chunk, before its payload. */
export const SPAN_BYTES = 8;
export const REFERENCE_BYTES = 32;
/** References in an intermediate chunk. */
export const BRANCHES = CHUNK_BYTES / REFERENCE_BYTES;

// One compiled instance is reused for every hash: starting one costs more than hashing 64 bytes.
const hasher = await createKeccak(256);

/** keccak-256 as 32 new bytes. */
export function keccak(bytes: Uint8Array): Uint8Array {
  return hasher.init().update(bytes).digest('binary');
}

// zeroNodes[i] is the root of a subtree of 2^i zero segments: short chunks hash only what they hold.
const zeroNodes: Uint8Array[] = [new Uint8Array(REFERENCE_BYTES)];
for (let level = 0; level < Math.log2(BRANCHES); level++) {
  const below = zeroNodes[level] as Uint8Array;
  zeroNodes.push(keccak(Buffer.concat([below, below])));
}

const nodes = new Uint8Array(CHUNK_BYTES);
const rootInput = new Uint8Array(SPAN_BYTES + REFERENCE_BYTES);
const rootView = new DataView(rootInput.buffer);

/** Root of the binary Merkle tree over a payload's 128 segments of 32 bytes, padded with zeros. */
function merkleRoot(payload: Uint8Array): Uint8Array {
  if (payload.length === 0) return zeroNodes[zeroNodes.length - 1] as Uint8Array;
  let width = Math.ceil(payload.length / REFERENCE_BYTES);
  let level = 0;
  let input = payload;
  if (payload.length % (2 * REFERENCE_BYTES) !== 0) {
    // The last pair of segments is padded in the scratch buffer, the caller's bytes stay as they are.
    nodes.set(payload);
    nodes.fill(0, payload.length, Math.min(CHUNK_BYTES, (width + 1) * REFERENCE_BYTES));
    input = nodes;
  }
  // Each level overwrites the front of the scratch buffer: a pair is read before its parent is written over it.
  while (level < zeroNodes.length - 1) {
    if (width % 2 === 1 && level > 0) nodes.set(zeroNodes[level] as Uint8Array, width * REFERENCE_BYTES);
    const parents = Math.ceil(width / 2);
    for (let parent = 0; parent < parents; parent++) {
      const start = parent * 2 * REFERENCE_BYTES;
      nodes.set(keccak(input.subarray(start, start + 2 * REFERENCE_BYTES)), parent * REFERENCE_BYTES);
    }
    input = nodes;
    width = parents;
    level++;
  }
  return nodes.subarray(0, REFERENCE_BYTES);
}

/** Address of a content-addressed chunk as bytes: keccak(span, Merkle root of the payload), exactly as Bee computes it. */
export function chunkAddressBytes(span: number | bigint, payload: Uint8Array): Uint8Array {
  if (payload.length > CHUNK_BYTES)
    throw new RangeError(`A chunk holds at most ${String(CHUNK_BYTES)} bytes, not ${String(payload.length)}.`);
  rootView.setBigUint64(0, BigInt(span), true);
  rootInput.set(merkleRoot(payload), SPAN_BYTES);
  return keccak(rootInput);
}

/** Address of a content-addressed chunk. @param span bytes of data below it; for a leaf, the payload's length */
export function bmtChunkAddress(span: number | bigint, payload: Uint8Array): Reference {
  return toHex(chunkAddressBytes(span, payload));
}

/** A chunk as it is stored and sent: the span, then the payload. */
export function chunkData(span: number | bigint, payload: Uint8Array): Uint8Array {
  const data = new Uint8Array(SPAN_BYTES + payload.length);
  new DataView(data.buffer).setBigUint64(0, BigInt(span), true);
  data.set(payload, SPAN_BYTES);
  return data;
}

/** The span at the front of a chunk. */
export function spanOf(data: Uint8Array): bigint {
  return new DataView(data.buffer, data.byteOffset, data.byteLength).getBigUint64(0, true);
}
