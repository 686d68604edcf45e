import type { Hex } from '@cotrain/protocol';
import type { ChainSource, RawLog } from '../chain-source.ts';
import type { BlockHeader } from '../indexer-store.ts';

/** A log without its place on the chain. */
export type ModelLog = Pick<RawLog, 'address' | 'topics' | 'data'>;

/** A chain in memory that grows and forks as a test says. Each block ever made has a hash of its own. */
export class ModelChain implements ChainSource {
  private readonly blocks: { header: BlockHeader; logs: RawLog[] }[] = [];
  private made = 0;

  constructor() {
    this.grow([[]]);
  }

  get head(): number {
    return this.blocks.length - 1;
  }

  /** Adds a block for each list of logs. */
  grow(blocks: readonly (readonly ModelLog[])[]): void {
    for (const logs of blocks) {
      const number = this.blocks.length;
      const hash = word(++this.made);
      const parentHash = this.blocks.at(-1)?.header.hash ?? word(0);
      this.blocks.push({
        header: { number, hash, parentHash, timestamp: 1_700_000_000 + 12 * number },
        logs: logs.map((log, logIndex) => ({
          ...log,
          blockNumber: number,
          blockHash: hash,
          logIndex,
          transactionHash: word(this.made * 1_000 + logIndex),
        })),
      });
    }
  }

  /** Replaces the last `depth` blocks (never the first block) by others, as many as are given. */
  fork(depth: number, blocks: readonly (readonly ModelLog[])[]): void {
    this.blocks.length = Math.max(1, this.blocks.length - depth);
    this.grow(blocks);
  }

  headNumber(): Promise<number> {
    return Promise.resolve(this.head);
  }

  block(number: number): Promise<BlockHeader | null> {
    return Promise.resolve(this.blocks[number]?.header ?? null);
  }

  logs(fromBlock: number, toBlock: number, addresses: readonly Hex[]): Promise<RawLog[]> {
    const found = this.blocks.slice(fromBlock, toBlock + 1).flatMap(({ logs }) => logs);
    return Promise.resolve(found.filter(({ address }) => addresses.includes(address)));
  }
}

function word(value: number): Hex {
  return `0x${value.toString(16).padStart(64, '0')}`;
}
