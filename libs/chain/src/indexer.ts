import { setTimeout as delay } from 'node:timers/promises';
import type { Hex } from '@cotrain/protocol';
import { readChainBatch } from './chain-batch.ts';
import { type ChainSource, type RawLog, TooManyLogsError } from './chain-source.ts';
import { ChainError, ChainUnavailableError, ReorganisationTooDeepError } from './errors.ts';
import type { BlockHeader, ChainEvent, IndexerStore } from './indexer-store.ts';
import type { Logger } from './logger.ts';

export interface IndexerOptions<Tx> {
  source: ChainSource;
  store: IndexerStore<Tx>;
  addresses: readonly Hex[];
  /** Name and arguments of a log, or null for one that is not ours. Must not throw: the same log would come for ever. */
  decode(log: RawLog): { eventName: string; args: Record<string, unknown> } | null;
  /** First block worth reading: where the contracts were deployed. */
  startBlock: number;
  logger: Logger;
  pollMs?: number;
  /** Most blocks read at once. */
  batchBlocks?: number;
  /** Most events written in one transaction, as long as it is more than one block. */
  batchEvents?: number;
  /** Headers kept below the head: the deepest reorganisation that is undone by itself. */
  keptHeaders?: number;
  /**
   * How often a head below ours is taken for a node that lags behind. Only then is it taken for a chain that became
   * shorter, and our blocks above it are undone.
   */
  lagPolls?: number;
  /** Called after a change is written, by this indexer or by another one on the same store. */
  onChange?(change: { head: number; rolledBackTo: number | null; events: readonly ChainEvent[] }): void;
  /** For jitter; 0 to 1. */
  random?: () => number;
}

export interface IndexerStatus {
  state: 'starting' | 'following' | 'catching up' | 'chain unavailable' | 'store unavailable' | 'stopped';
  /** Newest block of the chain, as last seen. */
  head: number | null;
  /** Newest block that is indexed. */
  cursor: number | null;
  lastError: string | null;
}

const longestPauseMs = 30_000;

/**
 * Follows the chain and keeps derived tables equal to what a clean replay of the present chain gives. Each batch is
 * written with its headers in one transaction; before each batch the newest header is compared with the chain, and on
 * a difference everything above the common ancestor is undone first. Several indexers may share a store: whoever finds
 * that another one has moved it on writes nothing and looks again. Work is linear in blocks and events.
 */
export class Indexer<Tx> {
  private readonly options: Required<Omit<IndexerOptions<Tx>, 'onChange'>> & Pick<IndexerOptions<Tx>, 'onChange'>;
  private blocks: number;
  private events: number;
  private lagging = 0;
  private current: IndexerStatus = { state: 'starting', head: null, cursor: null, lastError: null };

  constructor(options: IndexerOptions<Tx>) {
    this.options = {
      pollMs: 1_000,
      batchBlocks: 2_000,
      batchEvents: 10_000,
      keptHeaders: 512,
      lagPolls: 5,
      random: Math.random,
      ...options,
    };
    this.blocks = this.options.batchBlocks;
    this.events = this.options.batchEvents;
  }

  status(): IndexerStatus {
    return this.current;
  }

  /**
   * Follows until the signal. An outage of node or store is waited out with growing, jittered pauses of at most 30 s.
   * @throws ReorganisationTooDeepError: only a person can tell whether the node is on the right chain
   */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      let pauseMs = this.options.pollMs;
      try {
        const behind = await this.syncOnce();
        failures = 0;
        if (behind) continue;
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        if (error instanceof ReorganisationTooDeepError) {
          this.current = { ...this.current, state: 'stopped', lastError: message };
          throw error;
        }
        failures++;
        const limitMs = Math.max(longestPauseMs, this.options.pollMs);
        pauseMs =
          Math.min(limitMs, this.options.pollMs * 2 ** Math.min(failures, 10)) * (0.5 + this.options.random() / 2);
        const state = error instanceof ChainError ? 'chain unavailable' : 'store unavailable';
        // A transaction that is too large for the store's time limit must not be tried unchanged for ever.
        if (state === 'store unavailable') this.events = Math.max(1, Math.floor(this.events / 2));
        this.current = { ...this.current, state, lastError: message };
        this.options.logger.warn({ error: message, failures, pauseMs }, `indexing: ${state}; it will be tried again`);
      }
      await delay(pauseMs, undefined, { signal }).catch(() => undefined); // aborted: the loop's condition ends it
    }
    this.current = { ...this.current, state: 'stopped' };
  }

  /**
   * Undoes what was reorganised away, or reads one batch. Returns whether there is more to do at once.
   * @throws ChainUnavailableError, ReorganisationTooDeepError; what the store throws
   */
  async syncOnce(): Promise<boolean> {
    const { source, store, startBlock } = this.options;
    const chainHead = await source.headNumber();
    const top = await store.head();
    let again: boolean;
    if (top !== null && chainHead < top.number) {
      again = await this.headBelowOurs(top, chainHead);
    } else {
      this.lagging = 0;
      if (top !== null && !(await this.isOnChain(top))) {
        again = await this.rollBack(top, chainHead);
      } else {
        const from = top === null ? startBlock : top.number + 1;
        const to = Math.min(chainHead, from + this.blocks - 1);
        again = to >= from && (await this.readBatch(from, to, top, chainHead));
      }
    }
    const cursor = (await store.head())?.number ?? null;
    this.current = { state: again ? 'catching up' : 'following', head: chainHead, cursor, lastError: null };
    return again;
  }

  private async isOnChain(header: BlockHeader): Promise<boolean> {
    const block = await this.options.source.block(header.number);
    if (block === null)
      throw new ChainUnavailableError(
        'consistently',
        new Error(`block ${String(header.number)} is not above the head, yet it is not there`),
      );
    return block.hash === header.hash;
  }

  /** A node that lags shows a lower head on the same chain; undoing blocks for that would stop jobs for nothing. */
  private async headBelowOurs(top: BlockHeader, chainHead: number): Promise<boolean> {
    const ours = (await this.options.store.headers()).find(({ number }) => number === chainHead);
    if (ours !== undefined && (await this.isOnChain(ours)) && this.lagging < this.options.lagPolls) {
      this.lagging++;
      this.options.logger.warn({ head: chainHead, cursor: top.number }, 'the head is below what is indexed; waiting');
      return false;
    }
    this.lagging = 0;
    return this.rollBack(top, chainHead);
  }

  private async rollBack(top: BlockHeader, chainHead: number): Promise<boolean> {
    const { store, logger, onChange } = this.options;
    const to = await this.commonAncestor(top, chainHead);
    const written = await store.transaction(async (tx) => {
      if ((await store.head(tx))?.hash !== top.hash) return false; // another indexer was faster
      await store.rollbackTo(to, tx);
      return true;
    });
    if (written) logger.info({ from: top.number, to }, 'chain reorganised; rolled back');
    onChange?.({ head: to, rolledBackTo: to, events: [] });
    return true;
  }

  /** Newest kept height at which chain and store agree; the block before the start if all that was ever read is gone. */
  private async commonAncestor(top: BlockHeader, chainHead: number): Promise<number> {
    const { store, startBlock } = this.options;
    const kept = (await store.headers()).filter(({ number }) => number <= top.number);
    // Agreement is monotonic in height, so the ancestor is found by bisection.
    let low = -1;
    let high = kept.length;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      const header = kept[middle];
      if (header !== undefined && header.number <= chainHead && (await this.isOnChain(header))) low = middle;
      else high = middle;
    }
    const ancestor = kept[low];
    if (ancestor !== undefined) return ancestor.number;
    const oldest = kept[0]?.number ?? top.number;
    if (oldest <= startBlock) return startBlock - 1;
    throw new ReorganisationTooDeepError(oldest, top.number - oldest + 1);
  }

  private async readBatch(from: number, to: number, top: BlockHeader | null, chainHead: number): Promise<boolean> {
    const { source, store, addresses, decode, keptHeaders, batchBlocks, batchEvents, onChange } = this.options;
    const reorganisableFrom = chainHead - keptHeaders + 1;
    const batch = await readChainBatch({
      source,
      addresses,
      from,
      to,
      parent: top,
      reorganisableFrom,
      maxLogs: this.events,
    }).catch((error: unknown) => {
      if (!(error instanceof TooManyLogsError) || this.blocks === 1) throw error;
      this.blocks = Math.max(1, Math.floor(this.blocks / 4));
      return null;
    });
    if (batch === null) return true;
    const events: ChainEvent[] = [];
    for (const log of batch.logs) {
      const decoded = decode(log);
      const header = batch.headers.get(log.blockNumber);
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
    const kept = [...batch.headers.values()].filter(({ number }) => number >= batch.keepFrom);
    const written = await store.transaction(async (tx) => {
      if ((await store.head(tx))?.hash !== top?.hash) return false; // another indexer was faster
      await store.appendHeaders(
        kept.sort((a, b) => a.number - b.number),
        tx,
      );
      await store.applyEvents(events, tx);
      await store.pruneHeaders(batch.to - keptHeaders + 1, tx);
      return true;
    });
    this.blocks = Math.min(batchBlocks, this.blocks * 2);
    this.events = Math.min(batchEvents, this.events * 2);
    onChange?.({ head: batch.to, rolledBackTo: null, events: written ? events : [] });
    return batch.to < chainHead;
  }
}
