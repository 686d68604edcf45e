import type { ChainEvent } from '@cotrain/chain';
import type { Database, Transaction } from '../database/database.ts';
import { SqlIndexerStore } from '../indexing/sql-indexer-store.ts';
import type { IntentAnswer, IntentOutcome, IntentRequest } from '../signer/protocol.ts';
import { SignerClient } from '../signer/signer-client.ts';
import type { ApiMetrics } from './metrics.ts';

/** The signer's client, which tells the metrics of every intent. */
export class MeasuredSignerClient extends SignerClient {
  constructor(
    private readonly metrics: ApiMetrics,
    url: string,
    token: string,
  ) {
    super(url, token);
  }

  override async submit(request: IntentRequest): Promise<IntentAnswer> {
    const answer = await super.submit(request);
    this.metrics.intentSeen(answer.intentId, answer.status);
    return answer;
  }

  override async submitMany(requests: readonly IntentRequest[]): Promise<IntentOutcome[]> {
    const outcomes = await super.submitMany(requests);
    for (const outcome of outcomes) if ('status' in outcome) this.metrics.intentSeen(outcome.intentId, outcome.status);
    return outcomes;
  }
}

/** The indexer's store, which tells the metrics when the bidding for an offer starts. */
export class MeasuredIndexerStore extends SqlIndexerStore {
  constructor(
    private readonly metrics: ApiMetrics,
    database: Database,
  ) {
    super(database);
  }

  override async applyEvents(events: readonly ChainEvent[], tx: Transaction): Promise<void> {
    await super.applyEvents(events, tx);
    for (const { eventName, args } of events)
      if (eventName === 'BiddingStarted') this.metrics.biddingStarted(Number(args['offerId']));
  }
}
