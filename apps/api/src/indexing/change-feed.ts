import { EventEmitter, on } from 'node:events';
import type { Logger } from '@cotrain/chain';
import type { Database } from '../database/database.ts';
import type { OutboxTopic } from './outbox.ts';

/** One change, as subscribers get it. */
export interface Change {
  topic: OutboxTopic;
  offerId: number;
  payload: unknown;
}

const keptMs = 3_600_000;

/**
 * Reads the outbox and hands its changes to this replica's subscribers. The notification only wakes it; the poll makes
 * sure that nothing is missed when one is lost.
 */
export class ChangeFeed {
  private readonly emitter = new EventEmitter();
  private sequence = 0;
  private reading: Promise<void> | null = null;
  private again = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly database: Database,
    private readonly logger: Logger,
    private readonly pollMs = 1_000,
  ) {
    this.emitter.setMaxListeners(10_000);
  }

  async start(): Promise<void> {
    this.sequence = (await this.database.prisma.outbox.findFirst({ orderBy: { sequence: 'desc' } }))?.sequence ?? 0;
    await this.database.listen(() => {
      this.wake();
    });
    this.timer = setInterval(() => {
      this.wake();
    }, this.pollMs);
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    await this.reading;
  }

  /** Changes from now on, until the signal. A slow reader loses the oldest, not the newest: at most 1,000 wait. */
  async *changes(topic: OutboxTopic, offerId: number | null, signal: AbortSignal): AsyncGenerator<Change> {
    try {
      for await (const [change] of on(this.emitter, topic, { signal, highWaterMark: 1_000 }) as AsyncIterable<
        [Change]
      >) {
        if (offerId === null || change.offerId === offerId) yield change;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
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
    const { prisma } = this.database;
    const rows = await prisma.outbox.findMany({
      where: { sequence: { gt: this.sequence } },
      orderBy: { sequence: 'asc' },
      take: 1_000,
    });
    for (const { sequence, topic, offerId, payload } of rows) {
      this.sequence = sequence;
      this.emitter.emit(topic, { topic, offerId, payload } satisfies Omit<Change, 'topic'> & { topic: string });
    }
    if (rows.length === 1_000) this.again = true;
    if (rows.some(({ sequence }) => sequence % 500 === 0)) {
      await prisma.outbox.deleteMany({ where: { createdAt: { lt: new Date(Date.now() - keptMs) } } });
    }
  }
}
