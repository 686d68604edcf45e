import { type Reference, toHex } from '@cotrain/protocol';
import { bmtChunkAddress, CHUNK_BYTES, REFERENCE_BYTES, SPAN_BYTES, spanOf } from './chunk-address.ts';
import {
  CorruptChunkError,
  MalformedFileError,
  NotFoundError,
  OversizedAnswerError,
  StoreUnavailableError,
} from './errors.ts';
import { referenceOf } from './reference-hasher.ts';
import type { StoreConnection } from './store-request.ts';
import { childCount } from './tree-shape.ts';

/** A verified chunk whose span and payload agree. */
export interface FileNode {
  reference: Reference;
  /** Bytes of data below it. */
  span: number;
  payload: Uint8Array;
}

/** How often a chunk that fails verification is fetched again. */
const CORRUPT_ATTEMPTS = 3;

/** Fetches chunks and groups of chunks, and hands out only what hashes to the reference asked for. */
export class VerifiedReader {
  constructor(private readonly store: StoreConnection) {}

  /**
   * One chunk of a file.
   * @param offset where its data begins in the file, for errors
   * @param span what its parent says; undefined for a root
   */
  async node(reference: Reference, offset: number, span: number | undefined, signal?: AbortSignal): Promise<FileNode> {
    for (let attempt = 1; ; attempt++) {
      const data = await this.fetchChunk(reference, signal);
      if (isChunk(reference, data)) return checkShape(reference, offset, data, span);
      if (attempt === CORRUPT_ATTEMPTS) throw new CorruptChunkError(reference, offset, attempt);
      await this.store.pause(attempt, signal);
    }
  }

  /**
   * All data below a chunk of at most 128 leaves in one request. If it does not hash to the reference, the leaves
   * are fetched one by one, which finds the damaged one or gets round a damaged answer.
   */
  async group(reference: Reference, offset: number, span: number, signal?: AbortSignal): Promise<Uint8Array> {
    if (span <= CHUNK_BYTES) return (await this.node(reference, offset, span, signal)).payload;
    const bytes = await this.fetchGroup(reference, span, signal);
    if (bytes?.length === span && referenceOf(bytes) === reference) return bytes;
    const parent = await this.node(reference, offset, span, signal);
    const whole = new Uint8Array(span);
    for (let index = 0; index * CHUNK_BYTES < span; index++) {
      const start = index * CHUNK_BYTES;
      const leaf = await this.node(childOf(parent, index), offset + start, Math.min(CHUNK_BYTES, span - start), signal);
      whole.set(leaf.payload, start);
    }
    return whole;
  }

  /** A chunk as the store answers it; nothing if the answer is too long to be one. */
  private async fetchChunk(reference: Reference, signal: AbortSignal | undefined): Promise<Uint8Array> {
    try {
      return await this.store.send({
        method: 'GET',
        path: `/chunks/${reference.slice(2)}`,
        maxBytes: SPAN_BYTES + CHUNK_BYTES,
        reference,
        signal,
      });
    } catch (error) {
      if (error instanceof OversizedAnswerError) return new Uint8Array();
      throw error;
    }
  }

  /** A group in one request; undefined where only its chunks can tell what is wrong. */
  private async fetchGroup(
    reference: Reference,
    span: number,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array | undefined> {
    try {
      return await this.store.send({
        method: 'GET',
        path: `/bytes/${reference.slice(2)}`,
        maxBytes: span,
        reference,
        signal,
        hasFallback: true,
      });
    } catch (error) {
      const storeCannotJoin = error instanceof StoreUnavailableError && error.status !== undefined;
      if (storeCannotJoin || error instanceof NotFoundError || error instanceof OversizedAnswerError) return undefined;
      throw error;
    }
  }
}

/** Reference of a node's child. */
export function childOf(node: FileNode, index: number): Reference {
  return toHex(node.payload.subarray(index * REFERENCE_BYTES, (index + 1) * REFERENCE_BYTES));
}

function isChunk(reference: Reference, data: Uint8Array): boolean {
  if (data.length < SPAN_BYTES || data.length > SPAN_BYTES + CHUNK_BYTES) return false;
  return bmtChunkAddress(spanOf(data), data.subarray(SPAN_BYTES)) === reference;
}

/** A chunk can be well hashed and still lie about the file's shape: its author is not trusted either. */
function checkShape(
  reference: Reference,
  offset: number,
  data: Uint8Array,
  expectedSpan: number | undefined,
): FileNode {
  const span = Number(spanOf(data));
  const payload = data.subarray(SPAN_BYTES);
  if (!Number.isSafeInteger(span)) throw new MalformedFileError(reference, offset, 'the span is larger than any file');
  if (expectedSpan !== undefined && span !== expectedSpan) {
    throw new MalformedFileError(
      reference,
      offset,
      `the span is ${String(span)} where its parent needs ${String(expectedSpan)}`,
    );
  }
  const expectedBytes = span <= CHUNK_BYTES ? span : childCount(span) * REFERENCE_BYTES;
  if (payload.length !== expectedBytes) {
    throw new MalformedFileError(
      reference,
      offset,
      `a chunk of span ${String(span)} holds ${String(payload.length)} bytes instead of ${String(expectedBytes)}`,
    );
  }
  return { reference, span, payload };
}
