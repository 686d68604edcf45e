import { NonceTakenError, UnknownIntentError } from './errors.ts';
import type { IntentChanges, IntentRecord, IntentStatus, IntentStore } from './intent.ts';

/** Intents in memory: for unit tests, and the index of the journal. */
export class MemoryIntentStore implements IntentStore {
  private readonly records = new Map<string, IntentRecord>();
  /** Which intent has a nonce, by sender. */
  private readonly nonces = new Map<string, Map<number, string>>();

  insertIfAbsent(record: IntentRecord): Promise<IntentRecord> {
    const found = this.records.get(record.intentId);
    if (found === undefined) {
      const refusal = this.refusal(record);
      if (refusal !== null) return Promise.reject(refusal);
      this.noteNonce(record);
      this.records.set(record.intentId, structuredClone(record));
    }
    return Promise.resolve(structuredClone(found ?? record));
  }

  get(intentId: string): Promise<IntentRecord | null> {
    const found = this.records.get(intentId);
    return Promise.resolve(found === undefined ? null : structuredClone(found));
  }

  list(sender: `0x${string}`, statuses: readonly IntentStatus[]): Promise<IntentRecord[]> {
    const found = [...this.records.values()].filter(
      (record) => record.sender === sender && statuses.includes(record.status),
    );
    const rank = ({ nonce }: IntentRecord): number => nonce ?? Number.MAX_SAFE_INTEGER;
    return Promise.resolve(structuredClone(found.sort((a, b) => rank(a) - rank(b))));
  }

  update(intentId: string, changes: IntentChanges): Promise<IntentRecord> {
    const found = this.records.get(intentId);
    if (found === undefined) return Promise.reject(new UnknownIntentError(intentId));
    const changed = { ...found, ...structuredClone(changes) };
    const refusal = this.refusal(changed);
    if (refusal !== null) return Promise.reject(refusal);
    if (found.nonce !== null) this.nonces.get(found.sender)?.delete(found.nonce);
    this.noteNonce(changed);
    this.records.set(intentId, changed);
    return Promise.resolve(structuredClone(changed));
  }

  noncesFrom(sender: `0x${string}`, first: number): Promise<number[]> {
    const all = [...(this.nonces.get(sender)?.keys() ?? [])];
    return Promise.resolve(all.filter((nonce) => nonce >= first).sort((a, b) => a - b));
  }

  /** Why a record cannot be stored like this; null if it can. */
  refusal({ intentId, sender, nonce }: IntentRecord): NonceTakenError | null {
    if (nonce === null) return null;
    const holder = this.nonces.get(sender)?.get(nonce) ?? intentId;
    return holder === intentId ? null : new NonceTakenError(sender, nonce);
  }

  private noteNonce({ intentId, sender, nonce }: IntentRecord): void {
    if (nonce === null) return;
    const ofSender = this.nonces.get(sender) ?? new Map<number, string>();
    this.nonces.set(sender, ofSender.set(nonce, intentId));
  }
}
