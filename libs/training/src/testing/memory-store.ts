import type { Reference } from '@cotrain/protocol';
import { NotFoundError, referenceOf, StoreUnavailableError } from '@cotrain/swarm';
import type { ContentStore, StoredFile } from '../store.ts';

/** A store in memory with Swarm's references, that can be made to fail. */
export class MemoryStore implements ContentStore {
  readonly files = new Map<Reference, Uint8Array>();
  /** Requests that fail as an unreachable store does before the next one succeeds. */
  outages = 0;

  async upload(data: Uint8Array | AsyncIterable<Uint8Array>): Promise<Reference> {
    this.#answer();
    const pieces: Uint8Array[] = [];
    if (data instanceof Uint8Array) pieces.push(data);
    else for await (const piece of data) pieces.push(piece.slice());
    const bytes = new Uint8Array(Buffer.concat(pieces));
    const reference = referenceOf(bytes);
    this.files.set(reference, bytes);
    return reference;
  }

  startUpload(data: Uint8Array): { reference: Reference; stored: Promise<void> } {
    return { reference: referenceOf(data), stored: this.upload(data).then(() => undefined) };
  }

  download(reference: Reference): Promise<Uint8Array> {
    return this.open(reference).then((file) => file.read(0, file.length));
  }

  async open(reference: Reference): Promise<StoredFile> {
    this.#answer();
    const bytes = this.files.get(reference);
    if (bytes === undefined) throw new NotFoundError(reference);
    return {
      length: bytes.length,
      read: async (offset, length) => {
        await Promise.resolve(this.#answer());
        return bytes.slice(offset, offset + length);
      },
    };
  }

  /** Publishes other bytes in place of a file's, as their own reference. */
  async replace(change: (bytes: Uint8Array) => void, reference: Reference): Promise<Reference> {
    const bytes = (this.files.get(reference) ?? new Uint8Array()).slice();
    change(bytes);
    return this.upload(bytes);
  }

  #answer(): void {
    if (this.outages === 0) return;
    this.outages--;
    throw new StoreUnavailableError('memory:', 'it is switched off.');
  }
}
