import type { Change, ChangeFeed } from '../indexing/change-feed.ts';
import type { OutboxTopic } from '../indexing/outbox.ts';

/**
 * Changes of one topic as a subscription's results. Not a generator: a generator that waits for its next value cannot
 * be ended from outside, so a client that disconnects would leave it, and its place in the feed, behind.
 * @param read turns a change into a result, or null when there is none to tell
 * @param first a result to begin with; it is read after listening has begun, so nothing is missed in between
 */
export function changeStream<T>(
  feed: Pick<ChangeFeed, 'changes'>,
  topic: OutboxTopic,
  offerId: number | null,
  read: (change: Pick<Change, 'offerId' | 'payload'>) => Promise<T | null>,
  first?: () => Promise<T | null>,
): AsyncIterableIterator<T> {
  const ending = new AbortController();
  const changes = feed.changes(topic, offerId, ending.signal);
  let begun = first === undefined;
  const end = async (): Promise<IteratorResult<T>> => {
    await changes.return();
    return { done: true, value: undefined };
  };
  return {
    async next() {
      if (!begun) {
        begun = true;
        const value = await first?.();
        if (value != null) return { done: false, value };
      }
      for (;;) {
        const change = await changes.next();
        if (change.done === true) return { done: true, value: undefined };
        const value = await read(change.value);
        if (value !== null) return { done: false, value };
      }
    },
    return: end,
    async throw(error) {
      await end();
      throw error;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
