import { keccak256Bytes, type Reference, toHex } from '@cotrain/protocol';
import { NODES_OFFSET, startKeccakModule } from './keccak-module.ts';

/** Bytes of data, or of child references, in one chunk. */
export const CHUNK_BYTES = 4096;
/** Little-endian length of the data below a chunk, before its payload. */
export const SPAN_BYTES = 8;
export const REFERENCE_BYTES = 32;
/** References in an intermediate chunk. */
export const BRANCHES = CHUNK_BYTES / REFERENCE_BYTES;

const keccakModule = startKeccakModule();
// The module's 128 segments, which each level of the tree replaces by its parents.
const nodes = new Uint8Array(keccakModule.memory.buffer, NODES_OFFSET, CHUNK_BYTES);
const nodesView = new DataView(keccakModule.memory.buffer, NODES_OFFSET, CHUNK_BYTES);
const LEVELS = Math.log2(BRANCHES);

// zeroNodes[i] is the root of a subtree of 2^i zero segments: short chunks hash only what they hold.
const zeroNodes: Uint8Array[] = [new Uint8Array(REFERENCE_BYTES)];
for (let level = 0; level < LEVELS; level++) {
  const below = zeroNodes[level] as Uint8Array;
  zeroNodes.push(keccak256Bytes(Buffer.concat([below, below])));
}

/** Leaves the root of the binary Merkle tree over a payload's segments, padded with zeros, at the front of `nodes`. */
function computeMerkleRoot(payload: Uint8Array): void {
  nodes.set(payload);
  if (payload.length === 0) {
    nodes.set(zeroNodes[LEVELS] as Uint8Array);
    return;
  }
  nodes.fill(0, payload.length, Math.ceil(payload.length / REFERENCE_BYTES) * REFERENCE_BYTES);
  let width = Math.ceil(payload.length / REFERENCE_BYTES);
  for (let level = 0; level < LEVELS; level++) {
    if (width % 2 === 1) nodes.set(zeroNodes[level] as Uint8Array, width * REFERENCE_BYTES);
    width = Math.ceil(width / 2);
    keccakModule.hashPairs(width, 1);
  }
}

/** Address of a content-addressed chunk as bytes: keccak(span, Merkle root of the payload), exactly as Bee computes it. */
export function chunkAddressBytes(span: number | bigint, payload: Uint8Array): Uint8Array {
  if (payload.length > CHUNK_BYTES)
    throw new RangeError(`A chunk holds at most ${String(CHUNK_BYTES)} bytes, not ${String(payload.length)}.`);
  computeMerkleRoot(payload);
  // keccak(span, root): 40 bytes, then the padding that hashPairs otherwise adds after 64.
  nodes.copyWithin(SPAN_BYTES, 0, REFERENCE_BYTES);
  nodesView.setBigUint64(0, BigInt(span), true);
  nodes.fill(0, SPAN_BYTES + REFERENCE_BYTES, 64);
  nodes[SPAN_BYTES + REFERENCE_BYTES] = 1;
  keccakModule.hashPairs(1, 0);
  return nodes.slice(0, REFERENCE_BYTES);
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
