import { type Reference, toHex } from '@cotrain/protocol';
import { BRANCHES, CHUNK_BYTES, chunkAddressBytes, REFERENCE_BYTES } from './chunk-address.ts';

/** Receives each chunk once, children before parents. The payload is only valid during the call. */
export type ChunkSink = (address: Uint8Array, span: number, payload: Uint8Array) => void;

interface Level {
  references: Uint8Array;
  count: number;
  span: number;
}

/** Builds the intermediate chunks over references that arrive in order; memory is one chunk per level. */
export class TreeBuilder {
  private readonly levels: Level[] = [];

  constructor(private readonly sink?: ChunkSink) {}

  /** Appends a node of the lowest level. */
  add(address: Uint8Array, span: number): void {
    this.append(0, address, span);
  }

  /** The root; undefined if nothing was added. */
  finish(): { address: Uint8Array; span: number } | undefined {
    for (let index = 0; index < this.levels.length; index++) {
      const level = this.levels[index];
      if (level === undefined || level.count === 0) continue;
      if (level.count > 1) this.wrap(index);
      else if (this.levels.slice(index + 1).every(({ count }) => count === 0)) {
        return { address: level.references.slice(0, REFERENCE_BYTES), span: level.span };
      } else {
        // A lone last child is carried up instead of being wrapped.
        const { span } = level;
        level.count = 0;
        level.span = 0;
        this.append(index + 1, level.references.slice(0, REFERENCE_BYTES), span);
      }
    }
    return undefined;
  }

  private append(index: number, address: Uint8Array, span: number): void {
    const level = (this.levels[index] ??= { references: new Uint8Array(CHUNK_BYTES), count: 0, span: 0 });
    level.references.set(address, level.count * REFERENCE_BYTES);
    level.count++;
    level.span += span;
    if (level.count === BRANCHES) this.wrap(index);
  }

  private wrap(index: number): void {
    const level = this.levels[index] as Level;
    const payload = level.references.subarray(0, level.count * REFERENCE_BYTES);
    const address = chunkAddressBytes(level.span, payload);
    this.sink?.(address, level.span, payload);
    const { span } = level;
    level.count = 0;
    level.span = 0;
    this.append(index + 1, address, span);
  }
}

/** Computes the reference of bytes that arrive in pieces, as Bee would assign it; memory stays constant. */
export class ReferenceHasher {
  private readonly tree: TreeBuilder;
  private readonly partial = new Uint8Array(CHUNK_BYTES);
  private filled = 0;
  private total = 0;

  /** @param sink receives the chunks, for those who store them */
  constructor(private readonly sink?: ChunkSink) {
    this.tree = new TreeBuilder(sink);
  }

  /** Bytes seen so far. */
  get length(): number {
    return this.total;
  }

  update(bytes: Uint8Array): this {
    this.total += bytes.length;
    let position = 0;
    while (position < bytes.length) {
      if (this.filled === 0 && bytes.length - position >= CHUNK_BYTES) {
        this.leaf(bytes.subarray(position, position + CHUNK_BYTES));
        position += CHUNK_BYTES;
        continue;
      }
      const take = Math.min(CHUNK_BYTES - this.filled, bytes.length - position);
      this.partial.set(bytes.subarray(position, position + take), this.filled);
      this.filled += take;
      position += take;
      if (this.filled === CHUNK_BYTES) this.flush();
    }
    return this;
  }

  /** The reference; the hasher must not be used afterwards. */
  digest(): Reference {
    if (this.filled > 0 || this.total === 0) this.flush();
    const root = this.tree.finish();
    if (root === undefined) throw new Error('ReferenceHasher.digest was called twice.');
    return toHex(root.address);
  }

  private flush(): void {
    this.leaf(this.partial.subarray(0, this.filled));
    this.filled = 0;
  }

  private leaf(payload: Uint8Array): void {
    const address = chunkAddressBytes(payload.length, payload);
    this.sink?.(address, payload.length, payload);
    this.tree.add(address, payload.length);
  }
}

/** The reference of bytes that are at hand. */
export function referenceOf(bytes: Uint8Array): Reference {
  return new ReferenceHasher().update(bytes).digest();
}
