import type { OutboxTopic } from './outbox.ts';

/** One change, as subscribers get it. */
export interface Change {
  /** Grows with every change; the same on every replica. */
  sequence: bigint;
  topic: OutboxTopic;
  offerId: number;
  payload: unknown;
}

/** The subscriber was so slow that changes he had not read are no longer kept. He must ask for the present state again. */
export class SubscriberTooSlowError extends Error {
  override readonly name = 'SubscriberTooSlowError';
  readonly retryable = true;

  constructor() {
    super('Changes were not read in time and are not kept any more. Query the present state and subscribe again.');
  }
}

/** Changes for one reader; `return` ends it, also while it waits. */
export interface ChangeStream extends AsyncIterableIterator<Change> {
  return(value?: unknown): Promise<IteratorResult<Change>>;
}

/** Reads what a subscriber missed: changes after a sequence, in order, at most so many. */
export type MissedChanges = (after: bigint, limit: number) => Promise<Change[]>;

/**
 * One reader's queue. It holds at most `limit` changes: what does not fit is read from the outbox when the reader comes
 * to it, so a slow reader costs no memory and loses nothing as long as the outbox keeps it.
 */
export class Subscriber implements ChangeStream {
  private readonly queue: Change[] = [];
  private readonly waiting: ((result: IteratorResult<Change>) => void)[] = [];
  /** The last change that was handed over or queued. */
  private last: bigint;
  /** The newest change that was offered; later than `last` when some did not fit. */
  private newest: bigint;
  private done = false;

  constructor(
    start: bigint,
    private readonly wants: (change: Change) => boolean,
    private readonly missed: MissedChanges,
    private readonly onEnd: () => void,
    private readonly limit = 1_000,
  ) {
    this.last = this.newest = start;
  }

  /** Takes changes in order; called by the feed. */
  offer(change: Change): void {
    if (this.done || change.sequence <= this.last || !this.wants(change)) return;
    const behind = this.newest > this.last;
    this.newest = change.sequence;
    if (behind || this.queue.length >= this.limit) return;
    this.last = change.sequence;
    const reader = this.waiting.shift();
    if (reader === undefined) this.queue.push(change);
    else reader({ done: false, value: change });
  }

  /** @throws SubscriberTooSlowError; what reading the outbox throws: a further call tries again */
  async next(): Promise<IteratorResult<Change>> {
    while (!this.done && this.queue.length === 0 && this.newest > this.last) await this.catchUp();
    if (this.done) return { done: true, value: undefined };
    const value = this.queue.shift();
    if (value !== undefined) return { done: false, value };
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** Ends it, also while it waits. */
  return(): Promise<IteratorResult<Change>> {
    if (!this.done) {
      this.done = true;
      this.queue.length = 0;
      this.onEnd();
      for (const reader of this.waiting.splice(0)) reader({ done: true, value: undefined });
    }
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private async catchUp(): Promise<void> {
    let rows: Change[];
    try {
      rows = await this.missed(this.last, this.limit);
    } catch (error) {
      if (error instanceof SubscriberTooSlowError) await this.return();
      throw error;
    }
    for (const change of rows) if (this.wants(change)) this.queue.push(change);
    this.last = rows.at(-1)?.sequence ?? this.newest;
    if (this.last > this.newest) this.newest = this.last;
  }
}
