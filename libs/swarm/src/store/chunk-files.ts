import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromHex, type Reference, toHex } from '@cotrain/protocol';
import { chunkData } from '../chunk-address.ts';

/**
 * Chunks as files, named by address in 4,096 folders by its first three digits.
 *
 * A chunk is written beside its place and renamed into it, so that a reader, or a restart after a kill, sees a
 * whole chunk or none. Nothing is fsynced: after a power cut the last seconds may be missing or torn, which
 * readers notice (they verify) and a repeated upload repairs. Calls are synchronous, since a 4 KiB file in the
 * page cache takes less time than a trip to the thread pool.
 */
export class ChunkFiles {
  private readonly folders = new Set<string>();
  private readonly incoming: string;
  private counter = 0;

  constructor(private readonly dir: string) {
    this.incoming = join(dir, 'incoming');
    // What a killed process left half-written has no name that anyone could ask for.
    rmSync(this.incoming, { recursive: true, force: true });
    mkdirSync(this.incoming, { recursive: true });
  }

  /** Path of a chunk's file; also what a test damages. */
  pathOf(reference: Reference): string {
    return join(this.dir, 'chunks', reference.slice(2, 5), reference.slice(2));
  }

  /** The chunk as stored, undefined if there is none. */
  read(reference: Reference): Uint8Array | undefined {
    try {
      return readFileSync(this.pathOf(reference));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Stores a chunk whose address the caller has verified. An equal one is left alone, a damaged one replaced. */
  write(reference: Reference, data: Uint8Array): void {
    // Asking first is cheaper than the exception of a failed read, and most chunks are new.
    const present = existsSync(this.pathOf(reference)) ? this.read(reference) : undefined;
    if (present !== undefined && Buffer.compare(present, data) === 0) return;
    const folder = reference.slice(2, 5);
    if (!this.folders.has(folder)) {
      mkdirSync(join(this.dir, 'chunks', folder), { recursive: true });
      this.folders.add(folder);
    }
    const temporary = join(this.incoming, `${String(process.pid)}-${String(this.counter++)}`);
    try {
      writeFileSync(temporary, data);
      renameSync(temporary, this.pathOf(reference));
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  }

  /** Stores a content-addressed chunk as the hasher emits it. */
  writePayload(address: Uint8Array, span: number, payload: Uint8Array): void {
    this.write(toHex(address), chunkData(span, payload));
  }
}

/** Reads references out of an intermediate chunk's payload. */
export function childReference(payload: Uint8Array, index: number): Reference {
  return toHex(payload.subarray(index * 32, index * 32 + 32));
}

/** Address of a single-owner chunk: keccak(identifier, owner); both are hexadecimal with `0x`. */
export function concatHex(...parts: `0x${string}`[]): Uint8Array {
  return Buffer.concat(parts.map(fromHex));
}
