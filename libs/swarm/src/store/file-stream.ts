import type { Reference } from '@cotrain/protocol';
import { CHUNK_BYTES, REFERENCE_BYTES, SPAN_BYTES, spanOf } from '../chunk-address.ts';
import { childCount, childSpan } from '../tree-shape.ts';
import { type ChunkFiles, childReference } from './chunk-files.ts';
import { HttpError } from './http-error.ts';

/** A stored chunk as a node of a file. @throws HttpError 404 */
export function readNode(files: ChunkFiles, reference: Reference): { span: number; payload: Uint8Array } {
  const data = files.read(reference);
  if (data === undefined) throw new HttpError(404, 'address not found or incorrect');
  return nodeOf(data);
}

/** Payload and length of the data below a chunk, checked only as far as walking it needs. @throws HttpError 500 */
export function nodeOf(data: Uint8Array): { span: number; payload: Uint8Array } {
  if (data.length < SPAN_BYTES || data.length > SPAN_BYTES + CHUNK_BYTES)
    throw new HttpError(500, 'joiner: not a content-addressed chunk');
  const span = Number(spanOf(data));
  const payload = data.subarray(SPAN_BYTES);
  const expected = span <= CHUNK_BYTES ? span : childCount(span) * REFERENCE_BYTES;
  if (!Number.isSafeInteger(span) || payload.length !== expected)
    throw new HttpError(500, 'joiner: span and payload contradict each other');
  return { span, payload };
}

/** The bytes from `start` up to, not including, `end` below a node. The store does not verify them; readers do. */
export function* streamNode(
  files: ChunkFiles,
  node: { span: number; payload: Uint8Array },
  start: number,
  end: number,
): Generator<Uint8Array> {
  if (start >= end) return;
  if (node.span <= CHUNK_BYTES) {
    yield node.payload.subarray(start, end);
    return;
  }
  const size = childSpan(node.span);
  for (let child = Math.floor(start / size); child * size < end; child++) {
    const below = readNode(files, childReference(node.payload, child));
    if (below.span !== Math.min(size, node.span - child * size))
      throw new HttpError(500, 'joiner: a child has the wrong span');
    yield* streamNode(files, below, Math.max(0, start - child * size), Math.min(below.span, end - child * size));
  }
}
