import { setTimeout as delay } from 'node:timers/promises';
import { type ChainSource, type RawLog, TooManyLogsError } from './chain-source.ts';
import { ChainError, ReorganisationTooDeepError } from './errors.ts';
import type { BlockHeader, ChainEvent, IndexerStore } from './indexer-store.ts';
import type { Logger } from './transaction-sender.ts';

type Hex = `0x${string}`;

export interface IndexerOptions<Tx> {
  source: ChainSource;
  store: IndexerStore<Tx>;
  addresses: readonly Hex[];
  /** Name and arguments of a log, or null for one that is not ours. */
  decode(log: RawLog): { eventName: string; args: Record<string, unknown> } | null;
  /** First block worth reading: where the contracts were deployed. */
  startBlock: number;
  logger: Logger;
  pollMs?: number;
  /** Most blocks read at once. */
  batchBlocks?: number;
  /** Headers kept below the head: the deepest reorganisation that is undone by itself. */
  keptHeaders?: number;
  /** Called after a change is written. */
  onChange?(change: { head: number; rolledBackTo: number | null; events: readonly ChainEvent[] }): void;
  /** For jitter; 0 to 1. */
  random?: () => number;
}

export interface IndexerStatus {
  state: 'starting' | 'following' | 'catching up' | 'chain unavailable' | 'stopped';
  /** Newest block of the chain, as last seen. */
  head: number | null;
  /** Newest block that is indexed. */
  cursor: number | null;
  lastError: string | null;
}

/**
 * Follows the chain and keeps derived tables equal to what a clean replay of the present chain gives. Each batch is
 * written with its headers in one transaction; before each batch the newest header is compared with the chain, and on
 * a difference everything above the common ancestor is undone first. Work is linear in blocks and events.
 */
export class Indexer<Tx> {
  private readonly options: Required<Omit<IndexerOptions<Tx>, 'onChange'>> & Pick<IndexerOptions<Tx>, 'onChange'>;
  private batch: number;
  private current: IndexerStatus = { state: 'starting', head: null, cursor: null, lastError: null };

  constructor(options: IndexerOptions<Tx>) {
    this.options = { pollMs: 1_000, batchBlocks: 2_000, keptHeaders: 512, random: Math.random, ...options };
    this.batch = this.options.batchBlocks;
  }

  status(): IndexerStatus {
    return this.current;
  }

  /** Follows until the signal. An outage is waited out with growing, jittered pauses of at most 30 s. */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      let pauseMs = this.options.pollMs;
      try {
        const behind = await this.syncOnce();
        failures = 0;
        if (behind) continue;
      } catch (error) {
        if (error instanceof ReorganisationTooDeepError) throw error;
        failures++;
        pauseMs =
          Math.min(30_000, this.options.pollMs * 2 ** Math.min(failures, 10)) * (0.5 + this.options.random() / 2);
        const message = error instanceof Error ? error.message : String(error);
        this.current = { ...this.current, state: 'chain unavailable', lastError: message };
        this.options.logger.warn({ error: message, failures, pauseMs }, 'indexing failed; it will be tried again');
        if (!(error instanceof ChainError) && failures >= 20) throw error;
      }
      await delay(pauseMs, undefined, { signal }).catch(() => undefined); // aborted: the loop's condition ends it
    }
    this.current = { ...this.current, state: 'stopped' };
  }

  /** Undoes what was reorganised away and reads one batch. Returns whether there is more to read at once. */
  async syncOnce(): Promise<boolean> {
    const { source, store, startBlock } = this.options;
    const chainHead = await source.headNumber();
    let top = await store.head();
    const ancestor = await this.commonAncestor(top);
    if (top !== null && ancestor !== top.number) {
      const rolledBackTo = ancestor ?? startBlock - 1;
      await store.transaction((tx) => store.rollbackTo(rolledBackTo, tx));
      this.options.logger.info({ from: top.number, to: rolledBackTo }, 'chain reorganised; rolled back');
      top = await store.head();
      this.options.onChange?.({ head: rolledBackTo, rolledBackTo, events: [] });
    }
    const from = top === null ? startBlock : top.number + 1;
    const to = Math.min(chainHead, from + this.batch - 1);
    if (to >= from) await this.readBatch(from, to, top);
    const cursor = (await store.head())?.number ?? null;
    const behind = cursor !== null && cursor < chainHead && to >= from;
    this.current = { state: behind ? 'catching up' : 'following', head: chainHead, cursor, lastError: null };
    return behind;
  }

  /** Newest kept height at which chain and store agree; null if none of the kept ones does but the start is kept. */
  private async commonAncestor(top: BlockHeader | null): Promise<number | null> {
    if (top === null) return null;
    const { store, source, startBlock } = this.options;
    const oldest = (await store.oldestHeaderNumber()) ?? top.number;
    const agrees = async (number: number): Promise<boolean> => {
      const [ours, theirs] = await Promise.all([store.header(number), source.block(number)]);
      return ours !== null && theirs !== null && ours.hash === theirs.hash;
    };
    if (await agrees(top.number)) return top.number;
    // Agreement is monotonic in height, so the ancestor is found by bisection.
    let low = oldest - 1;
    let high = top.number;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (await agrees(middle)) low = middle;
      else high = middle;
    }
    if (low >= oldest) return low;
    if (oldest <= startBlock) return null;
    throw new ReorganisationTooDeepError(oldest, top.number - oldest + 1);
  }

  private async readBatch(from: number, to: number, top: BlockHeader | null): Promise<void> {
    const { source, store, addresses, decode, keptHeaders } = this.options;
    let logs: RawLog[];
    try {
      logs = await source.logs(from, to, addresses);
    } catch (error) {
      if (!(error instanceof TooManyLogsError) || this.batch === 1) throw error;
      this.batch = Math.max(1, Math.floor(this.batch / 4));
      return;
    }
    // Headers are needed where logs are (time stamps) and near the head (reorganisations), not for all of history.
    const keepFrom = Math.max(from, to - keptHeaders + 1);
    const wanted = new Set(logs.map((log) => log.blockNumber));
    for (let number = keepFrom; number <= to; number++) wanted.add(number);
    const headers = await this.headers([...wanted].sort((a, b) => a - b));
    if (headers === null || !this.isConsistent(headers, logs, top, from, to)) return; // reorganised meanwhile: again
    const events: ChainEvent[] = [];
    for (const log of logs.sort((a, b) => a.blockNumber - b.blockNumber || a.logIndex - b.logIndex)) {
      const decoded = decode(log);
      const header = headers.get(log.blockNumber);
      if (decoded === null || header === undefined) continue;
      events.push({
        id: `${String(log.blockNumber)}-${String(log.logIndex)}`,
        blockNumber: log.blockNumber,
        blockHash: log.blockHash,
        blockTimestamp: header.timestamp,
        logIndex: log.logIndex,
        transactionHash: log.transactionHash,
        address: log.address,
        ...decoded,
      });
    }
    await store.transaction(async (tx) => {
      await store.appendHeaders(
        [...headers.values()].filter(({ number }) => number >= keepFrom),
        tx,
      );
      await store.applyEvents(events, tx);
      await store.pruneHeaders(to - keptHeaders + 1, tx);
    });
    this.batch = Math.min(this.options.batchBlocks, this.batch * 2);
    this.options.onChange?.({ head: to, rolledBackTo: null, events });
  }

  private async headers(numbers: number[]): Promise<Map<number, BlockHeader> | null> {
    const found = new Map<number, BlockHeader>();
    const width = 32; // requests under way at once
    for (let start = 0; start < numbers.length; start += width) {
      const blocks = await Promise.all(
        numbers.slice(start, start + width).map((number) => this.options.source.block(number)),
      );
      for (const block of blocks) {
        if (block === null) return null;
        found.set(block.number, block);
      }
    }
    return found;
  }

  /** Do headers and logs belong to one chain, the one that the store is on? */
  private isConsistent(
    headers: Map<number, BlockHeader>,
    logs: RawLog[],
    top: BlockHeader | null,
    from: number,
    to: number,
  ): boolean {
    for (const header of headers.values()) {
      const parent = header.number === from ? top : headers.get(header.number - 1);
      if (parent && header.parentHash !== parent.hash) return false;
    }
    return logs.every(
      (log) => log.blockNumber >= from && log.blockNumber <= to && headers.get(log.blockNumber)?.hash === log.blockHash,
    );
  }
}
