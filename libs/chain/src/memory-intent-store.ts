import { UnknownIntentError } from './errors.ts';
import type { IntentRecord, IntentStatus, IntentStore } from './intent.ts';

/** Intents in memory: for unit tests, and the index of the journal. */
export class MemoryIntentStore implements IntentStore {
  protected readonly records = new Map<string, IntentRecord>();

  insertIfAbsent(record: IntentRecord): Promise<IntentRecord> {
    const found = this.records.get(record.intentId);
    if (found !== undefined) return Promise.resolve(structuredClone(found));
    this.records.set(record.intentId, structuredClone(record));
    return Promise.resolve(structuredClone(record));
  }

  /** Sets what is known of an intent. */
  put(record: IntentRecord): Promise<void> {
    this.records.set(record.intentId, structuredClone(record));
    return Promise.resolve();
  }

  get(intentId: string): Promise<IntentRecord | null> {
    const found = this.records.get(intentId);
    return Promise.resolve(found === undefined ? null : structuredClone(found));
  }

  list(sender: `0x${string}`, statuses: readonly IntentStatus[]): Promise<IntentRecord[]> {
    const found = [...this.records.values()].filter(
      (record) => record.sender === sender && statuses.includes(record.status),
    );
    return Promise.resolve(structuredClone(found.sort((a, b) => (a.nonce ?? Infinity) - (b.nonce ?? Infinity) || 0)));
  }

  update(intentId: string, changes: Partial<Omit<IntentRecord, 'intentId' | 'sender'>>): Promise<IntentRecord> {
    const found = this.records.get(intentId);
    if (found === undefined) return Promise.reject(new UnknownIntentError(intentId));
    Object.assign(found, structuredClone(changes));
    return Promise.resolve(structuredClone(found));
  }
}
