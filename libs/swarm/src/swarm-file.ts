import type { Reference } from '@cotrain/protocol';
import type { ByteCache } from './byte-cache.ts';
import { CHUNK_BYTES } from './chunk-address.ts';
import { OutOfFileError } from './errors.ts';
import { childSpan, GROUP_BYTES } from './tree-shape.ts';
import { childOf, type FileNode, type VerifiedReader } from './verified-reader.ts';

/** A part of a file: a chunk that stands for `span` bytes from `offset` on. */
interface Part {
  reference: Reference;
  offset: number;
  span: number;
}

/** Groups fetched ahead of the reader of a stream. */
const PREFETCH = 4;
/** A read of less than this, in a file that does not fit the cache, fetches chunks instead of a whole group. */
const SMALL_READ_BYTES = GROUP_BYTES / 8;

/** A file on Swarm, read in any order. Every byte is verified against the file's reference before it is handed out. */
export class SwarmFile {
  private readonly inFlight = new Map<string, Promise<Uint8Array>>();

  constructor(
    private readonly root: FileNode,
    private readonly reader: VerifiedReader,
    private readonly cache: ByteCache,
    private readonly signal?: AbortSignal,
  ) {}

  get reference(): Reference {
    return this.root.reference;
  }

  /** Bytes in the file. */
  get length(): number {
    return this.root.span;
  }

  /** @throws OutOfFileError, CorruptChunkError, MalformedFileError, StoreUnavailableError, NotFoundError */
  async read(offset: number, length: number): Promise<Uint8Array> {
    this.checkRange(offset, length);
    const result = new Uint8Array(length);
    await this.readInto(result, offset);
    return result;
  }

  /** Fills `target` with the file's bytes from `offset` on; groups are fetched side by side. */
  async readInto(target: Uint8Array, offset: number): Promise<void> {
    this.checkRange(offset, target.length);
    const end = offset + target.length;
    const copy = async (position: number): Promise<void> => {
      const stop = Math.min(end, (Math.floor(position / GROUP_BYTES) + 1) * GROUP_BYTES);
      await this.copyWithinGroup(target.subarray(position - offset, stop - offset), position);
    };
    let next = offset;
    const worker = async (): Promise<void> => {
      while (next < end) {
        const position = next;
        next = Math.min(end, (Math.floor(position / GROUP_BYTES) + 1) * GROUP_BYTES);
        await copy(position);
      }
    };
    const groups = Math.ceil(target.length / GROUP_BYTES) + 1;
    await Promise.all(Array.from({ length: Math.min(PREFETCH, groups) }, worker));
  }

  /** The bytes from `start` up to, not including, `end`, in order; the next groups are fetched meanwhile. */
  async *stream({ start = 0, end = this.length }: { start?: number; end?: number } = {}): AsyncGenerator<Uint8Array> {
    this.checkRange(start, end - start);
    const ahead: { position: number; bytes: Promise<Uint8Array> }[] = [];
    let next = start;
    const fetchNext = (): void => {
      if (next >= end) return;
      const position = next;
      next = (Math.floor(position / GROUP_BYTES) + 1) * GROUP_BYTES;
      const bytes = this.group(position);
      // Whoever stops early leaves this promise alone; its failure then is nobody's concern.
      bytes.catch(() => undefined);
      ahead.push({ position, bytes });
    };
    for (let i = 0; i < PREFETCH; i++) fetchNext();
    for (let group = ahead.shift(); group !== undefined; group = ahead.shift()) {
      const bytes = await group.bytes;
      fetchNext();
      const groupStart = group.position - (group.position % GROUP_BYTES);
      yield bytes.subarray(group.position - groupStart, Math.min(bytes.length, end - groupStart));
    }
  }

  private checkRange(offset: number, length: number): void {
    const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length);
    if (!whole || offset < 0 || length < 0 || offset + length > this.length)
      throw new OutOfFileError(this.reference, offset, length, this.length);
  }

  private async copyWithinGroup(target: Uint8Array, position: number): Promise<void> {
    if (target.length === 0) return;
    const part = await this.partAt(position, GROUP_BYTES);
    const cached = this.cache.get(groupKey(part));
    const fitsCache = this.length <= this.cache.maxBytes;
    if (cached !== undefined || fitsCache || target.length >= SMALL_READ_BYTES || part.span <= CHUNK_BYTES) {
      const bytes = cached ?? (await this.fetchGroup(part));
      target.set(bytes.subarray(position - part.offset, position - part.offset + target.length));
      return;
    }
    const leaves: Promise<void>[] = [];
    for (let at = position; at < position + target.length; at = at - (at % CHUNK_BYTES) + CHUNK_BYTES) {
      leaves.push(this.copyLeaf(target, position, at));
    }
    await Promise.all(leaves);
  }

  private async copyLeaf(target: Uint8Array, position: number, at: number): Promise<void> {
    const part = await this.partAt(at, CHUNK_BYTES);
    const payload = await this.payloadOf(part);
    const bytes = payload.subarray(at - part.offset, Math.min(payload.length, position + target.length - part.offset));
    target.set(bytes, at - position);
  }

  private async group(position: number): Promise<Uint8Array> {
    return this.fetchGroup(await this.partAt(position, GROUP_BYTES));
  }

  private fetchGroup(part: Part): Promise<Uint8Array> {
    return this.once(groupKey(part), () => this.reader.group(part.reference, part.offset, part.span, this.signal));
  }

  private payloadOf(part: Part): Promise<Uint8Array> {
    if (part.reference === this.root.reference) return Promise.resolve(this.root.payload);
    return this.once(
      part.reference,
      async () => (await this.reader.node(part.reference, part.offset, part.span, this.signal)).payload,
    );
  }

  /** From the cache, from a fetch that is under way, or fetched. */
  private async once(key: string, fetchBytes: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const cached = this.cache.get(key);
    if (cached !== undefined) return cached;
    const running = this.inFlight.get(key);
    if (running !== undefined) return running;
    const fetching = fetchBytes();
    this.inFlight.set(key, fetching);
    try {
      const bytes = await fetching;
      this.cache.set(key, bytes);
      return bytes;
    } finally {
      this.inFlight.delete(key);
    }
  }

  /** The part of at most `maxSpan` bytes that holds a position, found from the root down. */
  private async partAt(position: number, maxSpan: number): Promise<Part> {
    let part: Part = { reference: this.root.reference, offset: 0, span: this.root.span };
    while (part.span > maxSpan) {
      const payload = await this.payloadOf(part);
      const size = childSpan(part.span);
      const index = Math.floor((position - part.offset) / size);
      const offset = part.offset + index * size;
      const reference = childOf({ reference: part.reference, span: part.span, payload }, index);
      part = { reference, offset, span: Math.min(size, part.offset + part.span - offset) };
    }
    return part;
  }
}

/** A group's data and the group's own chunk have the same reference. */
function groupKey(part: Part): string {
  return part.span <= CHUNK_BYTES ? part.reference : `group:${part.reference}`;
}
