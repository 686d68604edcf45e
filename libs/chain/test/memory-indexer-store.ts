import type { BlockHeader, ChainEvent, IndexerStore } from '../src/indexer-store.ts';

interface Tables {
  headers: BlockHeader[];
  events: ChainEvent[];
  /** Everything that was ever said under a key, in order: an event that is lost, doubled or out of order shows. */
  stories: Map<string, string[]>;
}

/** Derived tables in memory. A transaction works on a copy, which takes the place of the tables when it is through. */
export class MemoryIndexerStore implements IndexerStore<Tables> {
  private tables: Tables = { headers: [], events: [], stories: new Map() };
  private queue: Promise<unknown> = Promise.resolve();
  /** Thrown by the next transaction, after it has done its work. */
  failNext: Error | null = null;

  transaction<T>(work: (tx: Tables) => Promise<T>): Promise<T> {
    const run = async (): Promise<T> => {
      const copy: Tables = {
        headers: [...this.tables.headers],
        events: [...this.tables.events],
        stories: new Map([...this.tables.stories].map(([key, story]) => [key, [...story]])),
      };
      const result = await work(copy);
      const failure = this.failNext;
      this.failNext = null;
      if (failure !== null) throw failure;
      this.tables = copy;
      return result;
    };
    const result = this.queue.then(run, run);
    this.queue = result.catch(() => undefined);
    return result;
  }

  head(tx: Tables = this.tables): Promise<BlockHeader | null> {
    return Promise.resolve(tx.headers.at(-1) ?? null);
  }

  headers(): Promise<BlockHeader[]> {
    return Promise.resolve(this.tables.headers);
  }

  appendHeaders(headers: readonly BlockHeader[], tx: Tables): Promise<void> {
    for (const header of headers) {
      const last = tx.headers.at(-1)?.number ?? -1;
      if (header.number <= last) throw new Error(`header ${String(header.number)} after ${String(last)}`);
      tx.headers.push(header);
    }
    return Promise.resolve();
  }

  applyEvents(events: readonly ChainEvent[], tx: Tables): Promise<void> {
    for (const event of events) {
      if (tx.events.some(({ id }) => id === event.id)) throw new Error(`event ${event.id} twice`);
      tx.events.push(event);
      const key = String(event.args['key']);
      tx.stories.set(key, [...(tx.stories.get(key) ?? []), `${event.id} ${String(event.args['value'])}`]);
    }
    return Promise.resolve();
  }

  rollbackTo(blockNumber: number, tx: Tables): Promise<void> {
    const left = tx.events.filter((event) => event.blockNumber <= blockNumber);
    tx.headers = tx.headers.filter(({ number }) => number <= blockNumber);
    tx.events = [];
    tx.stories.clear();
    return this.applyEvents(left, tx);
  }

  pruneHeaders(blockNumber: number, tx: Tables): Promise<void> {
    tx.headers = tx.headers.filter(({ number }) => number >= blockNumber);
    return Promise.resolve();
  }

  dump(): string {
    return JSON.stringify([this.tables.headers, this.tables.events, [...this.tables.stories].sort()]);
  }
}
