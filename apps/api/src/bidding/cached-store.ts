import type { Reference } from '@cotrain/protocol';
import type { SwarmClient } from '@cotrain/swarm';

/** What checking an offer's documents needs of Swarm. */
export interface DocumentStore {
  download(reference: Reference, options: { maxBytes: number }): Promise<Uint8Array>;
  /** Length of a file that can be opened. */
  lengthOf(reference: Reference): Promise<number>;
}

const maxEntries = 2_000;
const maxKeptBytes = 65_536;
/** A file that could be opened is asked for again after this: it may have gone. */
const openedMs = 60_000;

/**
 * Offers share datasets, programs and initial states: what was read and checked once under a reference is the same for
 * ever, so it is not read again for each offer.
 */
export function cachedStore(
  swarm: Pick<SwarmClient, 'download' | 'open'>,
  now: () => number = () => performance.now(),
): DocumentStore {
  const documents = new Map<Reference, Uint8Array>();
  const lengths = new Map<Reference, { length: number; at: number }>();
  const keep = <T>(map: Map<Reference, T>, reference: Reference, value: T): void => {
    map.delete(reference);
    if (map.size >= maxEntries) for (const oldest of map.keys()) if (map.delete(oldest)) break;
    map.set(reference, value);
  };
  return {
    async download(reference, options) {
      const known = documents.get(reference);
      if (known !== undefined && known.length <= options.maxBytes) return known;
      const bytes = await swarm.download(reference, options);
      if (bytes.length <= maxKeptBytes) keep(documents, reference, bytes);
      return bytes;
    },
    async lengthOf(reference) {
      const known = lengths.get(reference);
      if (known !== undefined && now() - known.at < openedMs) return known.length;
      const { length } = await swarm.open(reference);
      keep(lengths, reference, { length, at: now() });
      return length;
    },
  };
}
