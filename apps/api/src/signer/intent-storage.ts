import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { FileIntentStore, type IntentStore, LeaseLostError } from '@cotrain/chain';
import { acquireLease, type Lease, releaseLease } from '../bidding/lease.ts';
import { createDatabase } from '../database/database.ts';
import type { SignerLease } from './signing-desk.ts';
import { SqlIntentStore } from './sql-intent-store.ts';

/** Where a signer's intents are, and what keeps it the only one that signs. */
export interface IntentStorage {
  store: IntentStore;
  /** Absent for the journal: its lock file has kept other processes out already. */
  lease?: SignerLease;
  close(): Promise<void>;
}

/**
 * PostgreSQL by `databaseUrl`, otherwise the journal in `stateFolder`. In the database a lease row says who signs; the
 * others answer that they do not hold it, and one of them takes over when it runs out.
 * @throws DatabaseUnavailableError, CorruptJournalError, FileLockedError
 */
export async function openIntentStorage(options: {
  databaseUrl: string | undefined;
  stateFolder: string;
  leaseMs?: number;
}): Promise<IntentStorage> {
  const { databaseUrl, stateFolder, leaseMs = 30_000 } = options;
  if (databaseUrl === undefined) {
    const store = await FileIntentStore.open(join(stateFolder, 'intents.jsonl'));
    return { store, close: () => store.close() };
  }
  const database = await createDatabase({ databaseUrl });
  const holder = randomUUID();
  let held: Lease | null = null;
  return {
    store: new SqlIntentStore(database),
    lease: {
      assertHeld: async () => {
        held = await acquireLease(database, 'signer', holder, leaseMs);
        if (held === null) throw new LeaseLostError(holder);
      },
      // The fence grows whenever another one has held it.
      get term() {
        return held?.fence ?? null;
      },
    },
    close: async () => {
      if (held !== null) await releaseLease(database, held);
      await database.close();
    },
  };
}
