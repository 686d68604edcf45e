import { BRANCHES, CHUNK_BYTES } from './chunk-address.ts';

/** Bytes below an intermediate chunk whose children are all leaves. Files are fetched and sent in such groups. */
export const GROUP_BYTES = CHUNK_BYTES * BRANCHES;

/**
 * Bytes below each child, but the last, of a chunk with this span: the largest 4096 * 128^k below the span.
 * The last child holds the rest and has the shape of a file of that length, so a lone last child stands where
 * its parent would have been, as Bee's chunker carries it up.
 */
export function childSpan(span: number): number {
  let size = CHUNK_BYTES;
  while (size * BRANCHES < span) size *= BRANCHES;
  return size;
}

/** Children of a chunk with this span; none for a leaf. */
export function childCount(span: number): number {
  return span <= CHUNK_BYTES ? 0 : Math.ceil(span / childSpan(span));
}
