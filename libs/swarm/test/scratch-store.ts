import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSwarmStore, type SwarmStore } from '../src/store/server.ts';

/** An embedded store in a folder of its own. */
export interface ScratchStore extends SwarmStore {
  dir: string;
  /** Where a chunk lies on disk, for tests that damage it. */
  chunkPath(reference: string): string;
  remove(): Promise<void>;
}

/** Starts a store in a new folder. */
export async function startScratchStore(maxUploadBytes?: number): Promise<ScratchStore> {
  const dir = await mkdtemp(join(tmpdir(), 'cotrain-store-'));
  const store = await startSwarmStore({ dir, ...(maxUploadBytes === undefined ? {} : { maxUploadBytes }) });
  return {
    ...store,
    dir,
    chunkPath: (reference) => join(dir, 'chunks', reference.slice(2, 5), reference.slice(2)),
    remove: async () => {
      await store.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
