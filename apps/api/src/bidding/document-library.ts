import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@cotrain/chain';
import type { JobSpec } from '@cotrain/protocol';
import type { SwarmClient } from '@cotrain/swarm';
import type { Database } from '../database/database.ts';
import type { OfferView } from '../indexing/fold-offer.ts';
import { insertRows } from '../indexing/insert-rows.ts';
import { Backoff } from './backoff.ts';
import { cachedStore, type DocumentStore } from './cached-store.ts';
import type { CheckVerdict, JobChecker } from './job-checker.ts';
import { fetchDocuments, headerOf, type OfferDocuments } from './offer-documents.ts';

/** What matching needs to know of an offer's documents. */
export type KnownDocuments = { matchable: true; jobSpec: JobSpec } | { matchable: false; reason: string };

export interface DocumentLibraryOptions {
  database: Database;
  swarm: Pick<SwarmClient, 'download' | 'open'>;
  /** Says whether what the documents describe can be trained. */
  checker: JobChecker;
  logger: Logger;
  /** Called when documents came in that nobody waited for any more. */
  onArrival?: () => void;
  /** Documents that are missing, damaged or not reachable are asked for again after this, and ever later. */
  firstRetryMs?: number;
  longestRetryMs?: number;
}

const maxKnown = 20_000;
const maxFetches = 32;
const maxReasonLength = 500;

/**
 * The documents behind offers: fetched and checked once, kept in the database, read from memory. Fetches run beside
 * each other and beside everything else, so a slow or hostile reference holds up only its own offer.
 */
export class DocumentLibrary {
  private readonly known = new Map<string, KnownDocuments>();
  /** Not matchable so far, but not for good. */
  private readonly retried = new Set<string>();
  /** Looked for in the database already. */
  private readonly recalled = new Set<string>();
  private readonly fetching = new Map<string, Promise<void>>();
  /** Documents that are there, while it is checked whether the job can be trained. */
  private readonly checking = new Map<string, Promise<void>>();
  /** To be fetched, in this order; what matching waits for comes first. */
  private urgent = new Map<string, OfferView>();
  private leisurely = new Map<string, OfferView>();
  private readonly backoff: Backoff;
  private readonly store: DocumentStore;
  private readonly toRecord = new Map<number, ReturnType<typeof documentsRow>>();
  private recording: Promise<void> = Promise.resolve();
  private closed = false;

  constructor(private readonly options: DocumentLibraryOptions) {
    this.backoff = new Backoff(options.firstRetryMs ?? 2_000, options.longestRetryMs ?? 60_000);
    this.store = cachedStore(options.swarm);
  }

  /** What is known of the offers, waiting at most `patienceMs` for what has to be fetched. */
  async collect(offers: readonly OfferView[], patienceMs: number): Promise<Map<number, KnownDocuments>> {
    await this.recall(offers);
    const missing = offers.filter((offer) => this.isDue(keyOf(offer)));
    this.urgent = new Map(missing.map((offer) => [keyOf(offer), offer]));
    this.startFetches();
    for (const offer of offers)
      if (this.checking.has(keyOf(offer))) void this.options.checker.check(headerOf(offer), 'urgent');
    const deadline = performance.now() + patienceMs;
    while (missing.some((offer) => this.urgent.has(keyOf(offer)) || this.fetching.has(keyOf(offer)))) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) break;
      const patience = new AbortController();
      const timeout = delay(leftMs, undefined, { signal: patience.signal }).catch(() => undefined); // one has arrived
      await Promise.race([...this.fetching.values(), timeout]);
      patience.abort();
    }
    return new Map(
      offers.flatMap((offer) => {
        const documents = this.known.get(keyOf(offer));
        return documents === undefined ? [] : [[offer.id, documents]];
      }),
    );
  }

  /** Fetches documents of offers that are not open for bids yet: then people see before they pay what is wrong. */
  async prefetch(offers: readonly OfferView[]): Promise<void> {
    await this.recall(offers);
    this.leisurely = new Map(offers.filter((offer) => this.isDue(keyOf(offer))).map((offer) => [keyOf(offer), offer]));
    this.startFetches();
  }

  /** Ends the checks too. */
  async close(): Promise<void> {
    this.closed = true;
    await this.options.checker.close();
    await Promise.allSettled(this.fetching.values());
    await Promise.allSettled(this.checking.values());
  }

  /**
   * The verdict on an offer's job, not older than `maxAgeMs`; undefined while it is not known, and then it is being found
   * out.
   */
  verdict(offer: OfferView, maxAgeMs: number): CheckVerdict | undefined {
    const known = this.options.checker.known(headerOf(offer), maxAgeMs);
    if (known === undefined)
      void this.options.checker.check(headerOf(offer), 'urgent').then(() => this.options.onArrival?.());
    return known;
  }

  /** Reads what an earlier run found. What did not work then is tried again: it may have been for want of a document. */
  private async recall(offers: readonly OfferView[]): Promise<void> {
    const unknown = offers.filter((offer) => !this.known.has(keyOf(offer)) && !this.recalled.has(keyOf(offer)));
    if (unknown.length === 0) return;
    const rows = await this.options.database.prisma.offerDocuments.findMany({
      where: { offerId: { in: unknown.map(({ id }) => id) }, matchable: true },
      select: { offerId: true, jobHeaderHash: true, jobSpec: true },
    });
    const byOffer = new Map(rows.map((row) => [row.offerId, row]));
    for (const offer of unknown) {
      this.recalled.add(keyOf(offer));
      const row = byOffer.get(offer.id);
      // After a reorganisation the number may belong to another offer.
      if (row?.jobHeaderHash === offer.jobHeaderHash)
        this.remember(keyOf(offer), { matchable: true, jobSpec: row.jobSpec as unknown as JobSpec });
    }
  }

  private isDue(key: string): boolean {
    if (this.known.has(key) && !this.retried.has(key)) return false;
    return !this.fetching.has(key) && !this.checking.has(key) && !this.backoff.isWaiting(key);
  }

  private startFetches(): void {
    while (!this.closed && this.fetching.size < maxFetches) {
      const from = this.urgent.size > 0 ? this.urgent : this.leisurely;
      const [next] = from;
      if (next === undefined) return;
      const [key, offer] = next;
      from.delete(key);
      if (!this.isDue(key)) continue;
      const fetch = this.fetch(offer, key).finally(() => {
        this.fetching.delete(key);
        this.startFetches();
        // When all that matching waits for is there, it need not wait for the next block.
        if (this.urgent.size === 0) this.options.onArrival?.();
      });
      this.fetching.set(key, fetch);
    }
  }

  private async fetch(offer: OfferView, key: string): Promise<void> {
    const found = await fetchDocuments(offer, this.store);
    if (!found.matchable) return this.settle(offer, key, found);
    const header = headerOf(offer);
    const verdict = this.options.checker.known(header, Infinity);
    if (verdict !== undefined) return this.settle(offer, key, withVerdict(found, verdict));
    // A check may take minutes: it does not keep other documents from being fetched.
    const checked = this.options.checker
      .check(header, offer.state === 'Funding' ? 'leisurely' : 'urgent')
      .then((outcome) => (this.closed ? undefined : this.settle(offer, key, withVerdict(found, outcome))))
      .finally(() => {
        this.checking.delete(key);
        this.options.onArrival?.();
      });
    this.checking.set(key, checked);
  }

  private async settle(offer: OfferView, key: string, found: OfferDocuments): Promise<void> {
    await this.record(offer, found).catch((error: unknown) => {
      this.notRecorded(offer.id, error);
    });
    if (found.matchable) {
      this.backoff.succeeded(key);
      this.retried.delete(key);
      this.remember(key, { matchable: true, jobSpec: found.jobSpec });
      return;
    }
    if (found.final) {
      this.retried.delete(key);
      this.options.logger.info({ offerId: offer.id, reason: found.reason }, 'offer cannot be matched');
    } else {
      this.retried.add(key);
      const failures = this.backoff.failed(key);
      this.options.logger.warn({ offerId: offer.id, failures, reason: found.reason }, 'documents not available yet');
    }
    this.remember(key, { matchable: false, reason: found.reason });
  }

  /** What comes in while the database is busy is written by its next statement, together. */
  private record(offer: OfferView, found: OfferDocuments): Promise<void> {
    this.toRecord.set(offer.id, documentsRow(offer, found));
    this.recording = this.recording.catch(() => undefined).then(() => this.recordAll());
    return this.recording;
  }

  private async recordAll(): Promise<void> {
    const rows = [...this.toRecord.values()];
    this.toRecord.clear();
    const { prisma } = this.options.database;
    const write = (some: typeof rows): Promise<void> => insertRows(prisma, 'OfferDocuments', some, ['offerId']);
    // One that the database does not take must not keep the others.
    await write(rows).catch(async (error: unknown) => {
      if (rows.length === 1) throw error;
      for (const row of rows) await write([row]).catch((reason: unknown) => this.notRecorded(row.offerId, reason));
    });
  }

  /** Without the row people cannot read the reason; matching goes on all the same. */
  private notRecorded(offerId: number, error: unknown): void {
    this.options.logger.warn({ offerId, error: String(error) }, 'documents could not be recorded');
  }

  private remember(key: string, documents: KnownDocuments): void {
    this.known.delete(key);
    if (this.known.size >= maxKnown)
      for (const oldest of this.known.keys()) {
        this.known.delete(oldest);
        this.retried.delete(oldest);
        this.recalled.delete(oldest);
        break;
      }
    this.known.set(key, documents);
  }
}

function withVerdict(found: OfferDocuments, verdict: CheckVerdict): OfferDocuments {
  return verdict.ok ? found : { matchable: false, reason: verdict.reason, final: verdict.final };
}

/** All rows have all columns: a later check replaces an earlier one whole. */
function documentsRow(offer: OfferView, found: OfferDocuments): Record<string, unknown> & { offerId: number } {
  return {
    offerId: offer.id,
    jobHeaderHash: offer.jobHeaderHash,
    matchable: found.matchable,
    // PostgreSQL's text holds no NUL, and the reason may quote a hostile document.
    reason: found.matchable ? null : found.reason.replaceAll('\0', '').slice(0, maxReasonLength),
    jobSpec: found.matchable ? found.jobSpec : null,
    program: found.matchable ? found.program : null,
    checkedAt: new Date(),
  };
}

function keyOf(offer: Pick<OfferView, 'id' | 'jobHeaderHash'>): string {
  return `${String(offer.id)}:${offer.jobHeaderHash}`;
}
