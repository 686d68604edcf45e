import type { Hex } from '@cotrain/protocol';

/** What is kept of a block, to notice when it is replaced. */
export interface BlockHeader {
  number: number;
  hash: Hex;
  parentHash: Hex;
  /** Seconds since the epoch, from the block. */
  timestamp: number;
}

/** A decoded log in its place on the chain. */
export interface ChainEvent {
  /** `<blockNumber>-<logIndex>`: the same on every replay. */
  id: string;
  blockNumber: number;
  blockHash: Hex;
  blockTimestamp: number;
  logIndex: number;
  transactionHash: Hex;
  address: Hex;
  eventName: string;
  args: Record<string, unknown>;
}

/**
 * Where the indexer keeps what it derives. `Tx` is the store's transaction: all calls inside one `transaction` are
 * written together or not at all, so the cursor and the tables never disagree.
 */
export interface IndexerStore<Tx> {
  /** Runs `work` while no other indexer of the same store writes. */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** The newest header, or null at the very start; inside a transaction as that transaction sees it. */
  head(tx?: Tx): Promise<BlockHeader | null>;
  /** All kept headers, lowest first. There may be gaps where the chain was too deep to be reorganised when it was read. */
  headers(): Promise<BlockHeader[]>;
  appendHeaders(headers: readonly BlockHeader[], tx: Tx): Promise<void>;
  /** Applies events in chain order. */
  applyEvents(events: readonly ChainEvent[], tx: Tx): Promise<void>;
  /** Undoes every header and event above `blockNumber`: the tables are then as if those blocks had never been. */
  rollbackTo(blockNumber: number, tx: Tx): Promise<void>;
  /** Forgets headers below `blockNumber`. */
  pruneHeaders(blockNumber: number, tx: Tx): Promise<void>;
}
