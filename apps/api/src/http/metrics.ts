import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ApiContext } from '../context.ts';
import { parts } from './readiness.ts';

const prefix = 'cotrain_';
const maxTracked = 10_000;
const maxIntentsAsked = 20;

/** Figures of one API, for Prometheus. Each API has its own registry, also when several run in one process. */
export class ApiMetrics {
  readonly registry = new Registry();
  private readonly biddingSince = new Map<number, number>();
  private readonly openIntents = new Set<string>();
  /** Bids that were counted: an intent is handed over again until it is seen on chain. */
  private readonly bidIntents = new Set<string>();

  private readonly headBlock = this.gauge('chain_head_block', 'Newest block of the chain');
  private readonly indexedBlock = this.gauge('indexed_block', 'Newest indexed block');
  private readonly blockLag = this.gauge('indexed_block_lag', 'Blocks that are not indexed yet');
  private readonly offers = this.gauge('offers', 'Offers by state', ['state']);
  private readonly jobs = this.gauge('training_jobs', 'Training jobs by state', ['state']);
  private readonly reservations = this.gauge('reservations_held', 'Bids and jobs that hold capacity of a pool');
  private readonly reservedSeconds = this.gauge('reserved_gpu_seconds', 'GPU-seconds that bids and jobs hold');
  private readonly outboxLag = this.gauge(
    'outbox_lag_seconds',
    'Age of the oldest change that subscribers of this replica were not told of',
  );
  private readonly partUp = this.gauge('dependency_up', '1 when a part answers', ['part']);
  private readonly signerIntents = this.gauge(
    'signer_intents_open',
    'Intents that this replica handed to the signer and has not seen final',
  );
  private readonly connections = this.gauge('graphql_connections', 'WebSocket connections');
  private readonly subscriptions = this.gauge('graphql_subscriptions', 'Running subscriptions');
  private readonly bids = new Counter({
    name: `${prefix}bids_sent_total`,
    help: 'Bids that the signer accepted',
    registers: [this.registry],
  });
  private readonly bidLatency = new Histogram({
    name: `${prefix}event_to_bid_seconds`,
    help: 'From the indexing of the event that starts the bidding to the bid in the hands of the signer',
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [this.registry],
  });
  private readonly requests = new Histogram({
    name: `${prefix}graphql_request_seconds`,
    help: 'Duration of GraphQL requests by their first field',
    labelNames: ['operation', 'field'],
    buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [this.registry],
  });
  private readonly errors = new Counter({
    name: `${prefix}graphql_errors_total`,
    help: 'GraphQL errors by code',
    labelNames: ['code'],
    registers: [this.registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.registry, prefix });
  }

  /** The chain says that bids are taken. */
  biddingStarted(offerId: number): void {
    // Offers that nobody here bids for are forgotten, oldest first.
    forgetOldest(this.biddingSince);
    this.biddingSince.set(offerId, performance.now());
  }

  /** The signer has accepted an intent, or told of its state. */
  intentSeen(intentId: string, status: string): void {
    const final = ['confirmed', 'reverted', 'refused'].includes(status);
    if (final) this.openIntents.delete(intentId);
    else if (this.openIntents.size < maxTracked) this.openIntents.add(intentId);
    const offerId = /^bid:\d+:0x[0-9a-f]{40}:(\d+):/.exec(intentId)?.[1];
    if (offerId === undefined || status === 'refused' || this.bidIntents.has(intentId)) return;
    remember(this.bidIntents, intentId);
    this.bids.inc();
    const since = this.biddingSince.get(Number(offerId));
    this.biddingSince.delete(Number(offerId));
    if (since !== undefined) this.bidLatency.observe((performance.now() - since) / 1_000);
  }

  graphqlRequest(operation: string, field: string, seconds: number, errorCodes: readonly string[]): void {
    this.requests.observe({ operation, field }, seconds);
    for (const code of errorCodes) this.errors.inc({ code });
  }

  subscribers(counts: { connections: number; subscriptions: number }): void {
    this.connections.set(counts.connections);
    this.subscriptions.set(counts.subscriptions);
  }

  /** The figures of this moment in Prometheus' text format; those of a part that is down are left as they were. */
  async render(api: Pick<ApiContext, 'database' | 'indexer' | 'readiness' | 'signer' | 'changes'>): Promise<string> {
    const { head, cursor } = api.indexer.status();
    this.headBlock.set(head ?? 0);
    this.indexedBlock.set(cursor ?? 0);
    this.blockLag.set(Math.max(0, (head ?? 0) - (cursor ?? 0)));
    const report = await api.readiness.report();
    for (const part of parts) this.partUp.set({ part }, report[part] === 'ok' ? 1 : 0);
    if (report.database === 'ok') await this.readDatabase(api);
    if (report.signer === 'ok') await this.askSigner(api);
    this.signerIntents.set(this.openIntents.size);
    return this.registry.metrics();
  }

  private async readDatabase({ database, changes }: Pick<ApiContext, 'database' | 'changes'>): Promise<void> {
    const { offer, trainingJob, reservation, outbox } = database.prisma;
    const [byOffer, byJob, held, waiting] = await Promise.all([
      offer.groupBy({ by: ['state'], _count: true }),
      trainingJob.groupBy({ by: ['state'], _count: true }),
      reservation.aggregate({ where: { state: 'held' }, _count: true, _sum: { gpuSeconds: true } }),
      outbox.findFirst({ where: { sequence: { gt: changes.position } }, orderBy: { sequence: 'asc' } }),
    ]);
    this.offers.reset();
    this.jobs.reset();
    for (const { state, _count } of byOffer) this.offers.set({ state }, _count);
    for (const { state, _count } of byJob) this.jobs.set({ state }, _count);
    this.reservations.set(held._count);
    this.reservedSeconds.set(held._sum.gpuSeconds ?? 0);
    this.outboxLag.set(waiting === null ? 0 : Math.max(0, Date.now() - waiting.createdAt.getTime()) / 1_000);
  }

  /** What became of the intents that were open: the engine asks only while it has a reason to. */
  private async askSigner({ signer }: Pick<ApiContext, 'signer'>): Promise<void> {
    await Promise.all(
      [...this.openIntents].slice(0, maxIntentsAsked).map(async (intentId) => {
        // To the end of the queue, so that each has its turn; a signer that fails in between is asked the next time.
        this.openIntents.delete(intentId);
        const status = await signer.intent(intentId).then(
          (answer) => answer.status,
          () => 'unknown',
        );
        this.intentSeen(intentId, status);
      }),
    );
  }

  private gauge(name: string, help: string, labelNames: string[] = []): Gauge {
    return new Gauge({ name: `${prefix}${name}`, help, labelNames, registers: [this.registry] });
  }
}

function remember(set: Set<string>, value: string): void {
  forgetOldest(set);
  set.add(value);
}

function forgetOldest<Key>(tracked: { size: number; keys(): Iterable<Key>; delete(key: Key): boolean }): void {
  if (tracked.size < maxTracked) return;
  for (const oldest of tracked.keys()) {
    tracked.delete(oldest);
    return;
  }
}
