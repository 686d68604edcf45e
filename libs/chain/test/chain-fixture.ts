import type { Hex } from '@cotrain/protocol';
import { type JsonRpcProvider, JsonRpcProvider as Provider, Wallet } from 'ethers';
import { type Anvil, startAnvil } from '../src/anvil.ts';
import { MemoryIntentStore } from '../src/memory-intent-store.ts';
import { TransactionSender, type TransactionSenderOptions } from '../src/transaction-sender.ts';

export const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined };

export const makeProvider = (rpcUrl: string): JsonRpcProvider =>
  new Provider(rpcUrl, undefined, { cacheTimeout: -1, staticNetwork: true, pollingInterval: 20, batchMaxCount: 1 });

/** A local chain for one test file; each test takes an account of its own. */
export class ChainFixture {
  private next = 0;

  private constructor(
    readonly anvil: Anvil,
    readonly provider: JsonRpcProvider,
  ) {}

  static async start(): Promise<ChainFixture> {
    const anvil = await startAnvil({ accounts: 60 });
    return new ChainFixture(anvil, makeProvider(anvil.rpcUrl));
  }

  async stop(): Promise<void> {
    this.provider.destroy();
    await this.anvil.close();
  }

  /** An account that no other test has. */
  account(): { address: Hex; privateKey: Hex } {
    const account = this.anvil.accounts[this.next++];
    if (account === undefined) throw new Error('All accounts are taken: start the chain with more.');
    return account;
  }

  /** A sender on an account of its own, looking every 10 ms, content with the first block. */
  sender(options: Partial<TransactionSenderOptions> & { privateKey?: Hex } = {}): TransactionSender {
    const { privateKey = this.account().privateKey, ...rest } = options;
    const provider = rest.provider ?? this.provider;
    return new TransactionSender({
      provider,
      wallet: new Wallet(privateKey, provider),
      store: new MemoryIntentStore(),
      logger: quiet,
      confirmations: 0,
      pollMs: 10,
      ...rest,
    });
  }

  rpc(method: string, ...params: unknown[]): Promise<unknown> {
    return this.provider.send(method, params) as Promise<unknown>;
  }

  mine(blocks = 1): Promise<unknown> {
    return this.rpc('anvil_mine', `0x${blocks.toString(16)}`);
  }

  /** Runs `work` while blocks are made only by `mine`. */
  async withMiningPaused<T>(work: () => Promise<T>): Promise<T> {
    await this.rpc('evm_setAutomine', false);
    try {
      return await work();
    } finally {
      await this.mine();
      await this.rpc('evm_setAutomine', true);
    }
  }

  /** Transactions from an account, in the order of their nonces. */
  async sentBy(address: string): Promise<{ hash: string; nonce: number; to: string | null; value: bigint }[]> {
    const head = await this.provider.getBlockNumber();
    const blocks = await Promise.all(
      Array.from({ length: head + 1 }, (_, number) => this.provider.getBlock(number, true)),
    );
    return blocks
      .flatMap((block) => block?.prefetchedTransactions ?? [])
      .filter(({ from }) => from === address)
      .map(({ hash, nonce, to, value }) => ({ hash, nonce, to, value }))
      .sort((a, b) => a.nonce - b.nonce);
  }

  /** Puts code at an address. */
  async place(code: string): Promise<Hex> {
    const address = Wallet.createRandom().address as Hex;
    await this.rpc('anvil_setCode', address, code);
    return address;
  }
}

/** With a word: remembers it. Without: reverts while the word is zero. */
export const gateCode = '0x3615600c5760003560005500' + '5b6000541560155700' + '5b5f5ffd';

/** With a word n: remembers it. Without: writes n storage slots that were zero. */
export const eaterCode = '0x3615600c5760003560005500' + '5b600054' + '5b80156021576001815560019003601056' + '5b00';
