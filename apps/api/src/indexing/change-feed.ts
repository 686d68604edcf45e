import type { Logger } from '@cotrain/chain';
import type { Database } from '../database/database.ts';
import type { OutboxTopic } from './outbox.ts';
import { type Change, type ChangeStream, Subscriber, SubscriberTooSlowError } from './subscriber.ts';

export type { Change } from './subscriber.ts';

export interface ChangeFeedOptions {
  pollMs?: number;
  /** A read that lasts longer is given up and done again: one that never ends must not silence the feed. */
  readMs?: number;
  /** How often old changes are deleted. */
  pruneMs?: number;
  /** Changes are kept this long, for slow subscribers. */
  keptMs?: number;
  /** And never more than this many. */
  keptRows?: number;
  /** Changes that wait in memory for one subscriber. */
  queueLength?: number;
}

const rowsPerRead = 1_000;

/**
 * Reads the outbox and hands its changes to this replica's subscribers. The notification only wakes it; the poll makes
 * sure that nothing is missed when one is lost. Every subscriber gets every change once, in the order of the commits.
 */
export class ChangeFeed {
  private readonly subscribers = new Set<Subscriber>();
  private readonly options: Required<ChangeFeedOptions>;
  /** The last change that was handed out; null until the outbox could be asked where it stands. */
  private sequence: bigint | null = null;
  private reading: Promise<void> | null = null;
  private again = false;
  private timers: NodeJS.Timeout[] = [];

  constructor(
    private readonly database: Database,
    private readonly logger: Logger,
    options: ChangeFeedOptions = {},
  ) {
    this.options = {
      pollMs: 1_000,
      readMs: 10_000,
      pruneMs: 60_000,
      keptMs: 3_600_000,
      keptRows: 100_000,
      queueLength: 1_000,
      ...options,
    };
  }

  /** Changes from the end of this call on are handed out. */
  async start(): Promise<void> {
    const newest = await this.database.prisma.outbox.findFirst({ orderBy: { sequence: 'desc' } });
    this.sequence = newest?.sequence ?? 0n;
    await this.database.listen(() => {
      this.wake();
    });
    this.timers = [
      setInterval(() => {
        this.wake();
      }, this.options.pollMs),
      setInterval(() => {
        this.prune().catch((error: unknown) => {
          this.logger.warn({ error: String(error) }, 'outbox could not be pruned; again soon');
        });
      }, this.options.pruneMs),
    ];
  }

  /** Ends all subscriptions. */
  async close(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    await this.reading;
    for (const subscriber of this.subscribers) await subscriber.return();
  }

  /** The last change that this replica's subscribers were told of. */
  get position(): bigint {
    return this.sequence ?? 0n;
  }

  /** Subscribers of this replica. */
  get size(): number {
    return this.subscribers.size;
  }

  /**
   * Changes from this call on, until the signal or `return`. A slow reader loses nothing, and costs no more memory than
   * `queueLength` changes, as long as he is not slower than the outbox is kept.
   */
  changes(topic: OutboxTopic, offerId: number | null, signal: AbortSignal): ChangeStream {
    const subscriber = new Subscriber(
      this.sequence ?? 0n,
      (change) => change.topic === topic && (offerId === null || change.offerId === offerId),
      (after, limit) => this.missed(topic, offerId, after, limit),
      () => {
        this.subscribers.delete(subscriber);
      },
      this.options.queueLength,
    );
    this.subscribers.add(subscriber);
    const end = (): void => {
      void subscriber.return();
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
    return subscriber;
  }

  /** Deletes changes that are too old or too many. The database's clock decides. */
  async prune(): Promise<void> {
    const { keptMs, keptRows } = this.options;
    await this.database.prisma.$executeRaw`
      DELETE FROM "Outbox"
      WHERE "createdAt" < now() AT TIME ZONE 'UTC' - ${keptMs} * interval '1 millisecond'
        OR "sequence" <= (SELECT max("sequence") FROM "Outbox") - ${BigInt(keptRows)}`;
  }

  private wake(): void {
    if (this.reading !== null) {
      this.again = true;
      return;
    }
    this.reading = this.read()
      .catch((error: unknown) => {
        this.logger.warn({ error: String(error) }, 'outbox could not be read; again soon');
      })
      .finally(() => {
        this.reading = null;
        if (this.again) {
          this.again = false;
          this.wake();
        }
      });
  }

  private async read(): Promise<void> {
    // Rows of a read that was given up are dropped with it, so that no change is handed out twice.
    const rows = await inTime(
      this.database.prisma.outbox.findMany({
        where: { sequence: { gt: this.sequence ?? 0n } },
        orderBy: { sequence: 'asc' },
        take: rowsPerRead,
      }),
      this.options.readMs,
    );
    for (const row of rows) {
      this.sequence = row.sequence;
      const change = changeOf(row);
      for (const subscriber of this.subscribers) subscriber.offer(change);
    }
    if (rows.length === rowsPerRead) this.again = true;
  }

  private async missed(topic: OutboxTopic, offerId: number | null, after: bigint, limit: number): Promise<Change[]> {
    const { prisma } = this.database;
    const rows = await prisma.outbox.findMany({
      where: { sequence: { gt: after }, topic, ...(offerId === null ? {} : { offerId }) },
      orderBy: { sequence: 'asc' },
      take: limit,
    });
    // Looked at afterwards: what was deleted before, or while, the rows were read shows here.
    const oldest = await prisma.outbox.findFirst({ orderBy: { sequence: 'asc' }, select: { sequence: true } });
    if (oldest === null || oldest.sequence > after + 1n) throw new SubscriberTooSlowError();
    return rows.map(changeOf);
  }
}

/** @throws when the work lasts longer */
async function inTime<T>(work: Promise<T>, limitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`the outbox's read did not end within ${String(limitMs)} ms`));
    }, limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function changeOf(row: { sequence: bigint; topic: string; offerId: number; payload: unknown }): Change {
  return { sequence: row.sequence, topic: row.topic as OutboxTopic, offerId: row.offerId, payload: row.payload };
}
