import type { IntentRecord } from '@cotrain/chain';

const dayMs = 86_400_000;

/**
 * What an account has sent within the last 24 hours, so that a limit holds across restarts and between requests that
 * come at once: value is counted before it is signed, and given back only when the contract refused the call.
 */
export class SpendingLedger {
  private readonly entries = new Map<string, { at: number; valueWei: bigint }>();

  /** Starts from the intents that are stored; one that was never signed may still be, so it counts from now on. */
  constructor(
    records: readonly Pick<IntentRecord, 'intentId' | 'valueWei' | 'attempts' | 'status'>[],
    private readonly now: () => number,
  ) {
    for (const { intentId, valueWei, attempts, status } of records) {
      if (status !== 'refused') this.count(intentId, valueWei, attempts[0]?.signedAt ?? this.now());
    }
  }

  /** Sum of the last 24 hours without this intent: asked for again it is not a second payment. */
  spentWei(exceptIntentId: string): bigint {
    const since = this.now() - dayMs;
    let sum = 0n;
    for (const [intentId, { at, valueWei }] of this.entries) {
      if (at < since) this.entries.delete(intentId);
      else if (intentId !== exceptIntentId) sum += valueWei;
    }
    return sum;
  }

  /** Counts an intent's value; counted already, it keeps its time. */
  count(intentId: string, valueWei: bigint, at = this.now()): void {
    if (valueWei > 0n && !this.entries.has(intentId)) this.entries.set(intentId, { at, valueWei });
  }

  /** The contract refused it: nothing was sent. */
  giveBack(intentId: string): void {
    this.entries.delete(intentId);
  }
}
