import { keccak256 } from 'ethers';
import { bmtChunkAddress, childCount, childSpan, CHUNK_BYTES, referenceOf } from '@cotrain/swarm';

/** Merkle levels of a chunk, from its 128 segments to the root. */
function merkleLevels(payload: Uint8Array): string[][] {
  const padded = new Uint8Array(CHUNK_BYTES);
  padded.set(payload);
  let level = Array.from({ length: 128 }, (_, i) => hex(padded.subarray(i * 32, i * 32 + 32)));
  const levels = [level];
  while (level.length > 1) {
    level = Array.from({ length: level.length / 2 }, (_, i) =>
      keccak256(`${level[2 * i] ?? ''}${(level[2 * i + 1] ?? '').slice(2)}`),
    );
    levels.push(level);
  }
  return levels;
}

function hex(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes).toString('hex')}`;
}

/** Siblings of the node over `size` bytes at `offset` of a payload, from the lowest. */
export function siblings(payload: Uint8Array, offset: number, size: number): string[] {
  const levels = merkleLevels(payload);
  const found: string[] = [];
  for (let level = Math.log2(size / 32); level < 7; level++)
    found.push(levels[level]?.[Math.floor(offset / 32 / 2 ** level) ^ 1] ?? '');
  return found;
}

export interface PieceProof {
  piece: Uint8Array;
  proof: string[];
  /** Address, payload and span of each chunk on the way, from the leaf to the root. */
  chunks: { address: string; payload: Uint8Array; span: number }[];
}

/** What the references of a file's pieces are, so that a large file is hashed once. */
export class FileProver {
  private readonly references = new Map<string, string>();
  readonly reference: string;
  private readonly file: Uint8Array;

  constructor(file: Uint8Array) {
    this.file = file;
    this.reference = referenceOf(file);
  }

  /** Proof of the `size` bytes at `offset`, found from the root down, which is how the tree is defined. */
  prove(offset: number, size: number): PieceProof {
    const padded = new Uint8Array(size);
    padded.set(this.file.subarray(offset, offset + size));
    const path: PieceProof['chunks'] = [];
    const proofs: string[][] = [];
    let start = 0;
    let span = this.file.length;
    while (span > CHUNK_BYTES) {
      const child = childSpan(span);
      const payload = Buffer.concat(
        Array.from({ length: childCount(span) }, (_, i) =>
          Buffer.from(this.referenceAt(start + i * child, Math.min(child, span - i * child)).slice(2), 'hex'),
        ),
      );
      const index = Math.floor((offset - start) / child);
      path.unshift({ address: bmtChunkAddress(span, payload), payload, span });
      proofs.unshift(siblings(payload, index * 32, 32));
      start += index * child;
      span = Math.min(child, span - index * child);
    }
    const payload = this.file.subarray(start, start + span);
    path.unshift({ address: bmtChunkAddress(span, payload), payload, span });
    proofs.unshift(siblings(payload, offset - start, size));
    return { piece: padded, proof: proofs.flat(), chunks: path };
  }

  private referenceAt(start: number, length: number): string {
    const key = `${String(start)}+${String(length)}`;
    const known = this.references.get(key) ?? referenceOf(this.file.subarray(start, start + length));
    this.references.set(key, known);
    return known;
  }
}
