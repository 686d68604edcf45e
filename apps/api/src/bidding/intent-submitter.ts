import type { Logger } from '@cotrain/chain';
import type { IntentOutcome, IntentRequest } from '../signer/protocol.ts';
import type { SignerClient } from '../signer/signer-client.ts';

/**
 * What came of a submission. `unfunded`: the signer has it, but the account cannot pay for it now. `waiting`: it was
 * submitted a moment ago, nothing was asked now.
 */
export type Submission = 'accepted' | 'refused' | 'unfunded' | 'unavailable' | 'waiting';

export interface IntentSubmitterOptions {
  signer: Pick<SignerClient, 'submitMany'>;
  logger: Logger;
  /** Monotonic milliseconds. */
  now?: () => number;
}

interface Known {
  /** A call that was mined and reverted is tried again under a new id: it had no effect. */
  attempt: number;
  nextAt: number;
  refusals: number;
}

/** An accepted intent is the signer's to look after; it is asked again only to hear of a revert. */
const recheckMs = 10_000;
const firstRefusalMs = 1_000;
const longestRefusalMs = 30_000;
const maxAttempts = 5;
const maxKnown = 50_000;

/**
 * Submits intents to the signer, all of a look in one request. What is decided again on every look is not submitted
 * again each time: a refused call waits longer each time, an accepted one is left to the signer. The memory of that may
 * be lost: ids make a second submission the same intent.
 */
export class IntentSubmitter {
  private readonly known = new Map<string, Known>();
  private readonly now: () => number;

  constructor(private readonly options: IntentSubmitterOptions) {
    this.now = options.now ?? (() => performance.now());
  }

  /** Outcomes are in the order of the requests; a signer that is down is an outcome too. */
  async submit(requests: readonly IntentRequest[]): Promise<Submission[]> {
    const now = this.now();
    const due = [...new Map(requests.map((request) => [request.intentId, request])).values()].filter(
      ({ intentId }) => (this.known.get(intentId)?.nextAt ?? 0) <= now,
    );
    const submissions = new Map<string, Submission>();
    if (due.length > 0) {
      const attempts = due.map((request) => ({ ...request, intentId: this.attemptId(request.intentId) }));
      let outcomes: IntentOutcome[];
      try {
        outcomes = await this.options.signer.submitMany(attempts);
      } catch (error) {
        this.options.logger.warn(
          { intents: due.length, error: error instanceof Error ? error.message : String(error) },
          'signer not available; submitted again with the next look',
        );
        outcomes = [];
      }
      for (const [index, { intentId }] of due.entries())
        submissions.set(intentId, this.remember(intentId, outcomes[index]));
    }
    return requests.map(({ intentId }) => submissions.get(intentId) ?? 'waiting');
  }

  private attemptId(intentId: string): string {
    const attempt = this.known.get(intentId)?.attempt ?? 0;
    return attempt === 0 ? intentId : `${intentId}#${String(attempt)}`;
  }

  private remember(intentId: string, outcome: IntentOutcome | undefined): Submission {
    const now = this.now();
    const before = this.known.get(intentId) ?? { attempt: 0, nextAt: 0, refusals: 0 };
    // Most recently used last, so that the bound drops what is over.
    this.known.delete(intentId);
    if (this.known.size >= maxKnown) for (const oldest of this.known.keys()) if (this.known.delete(oldest)) break;
    const set = (known: Partial<Known>, submission: Submission): Submission => {
      this.known.set(intentId, { ...before, ...known });
      return submission;
    };
    if (outcome === undefined) return set({}, 'unavailable');
    if ('reason' in outcome) {
      if (outcome.reason === 'unavailable') {
        this.options.logger.warn({ intentId, error: outcome.error }, 'not sent yet; again soon');
        return set({}, 'unavailable');
      }
      if (outcome.reason === 'insufficient funds') {
        this.options.logger.warn({ intentId, error: outcome.error }, 'the account cannot pay for it; again later');
        return set({ nextAt: now + firstRefusalMs }, 'unfunded');
      }
      // The contract does not accept it now (somebody else was faster, or it is due a block later), or never.
      this.options.logger.info({ intentId, reason: outcome.error }, 'not accepted now');
      const waitMs = Math.min(longestRefusalMs, firstRefusalMs * 2 ** Math.min(before.refusals, 10));
      return set({ nextAt: now + waitMs, refusals: before.refusals + 1 }, 'refused');
    }
    if (outcome.status === 'reverted' && before.attempt < maxAttempts) {
      this.options.logger.warn({ intentId, failure: outcome.failure }, 'mined and reverted; tried again if still due');
      return set({ attempt: before.attempt + 1, nextAt: now + firstRefusalMs }, 'refused');
    }
    if (outcome.status === 'reverted') return set({ nextAt: Infinity }, 'refused');
    return set({ nextAt: now + recheckMs, refusals: 0 }, 'accepted');
  }
}
