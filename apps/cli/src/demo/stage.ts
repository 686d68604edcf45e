import { SwarmClient } from '@cotrain/swarm';
import { Wallet } from 'ethers';
import { ApiClient } from '../client/api-client.ts';
import { CommandError, exitCodes } from '../client/errors.ts';
import { Signatory } from '../client/signatory.ts';
import { localRoles, type Stack } from '../stack/stack.ts';
import type { Story } from '../terminal/story.ts';
import { cheat, companies, pools } from './cast.ts';
import type { Account } from './ledger.ts';

export const burnAddress = '0x000000000000000000000000000000000000dEaD';
const minuteMs = 60_000;

/** What every scene of the demo needs: the stack, who plays whom, and where to tell what happens. */
export class Stage {
  readonly api: ApiClient;
  readonly swarm: SwarmClient;
  readonly companies: readonly Wallet[];
  readonly pools: readonly Wallet[];
  readonly validators: readonly Wallet[];
  readonly keeper: Wallet;
  readonly durationsMs: Record<string, number> = {};

  constructor(
    readonly stack: Stack,
    readonly story: Story,
    private readonly stopping: AbortSignal,
  ) {
    this.api = new ApiClient(stack.api.graphqlUrl);
    this.swarm = new SwarmClient({ url: stack.store.url, signal: stopping });
    const wallet = (role: number): Wallet => new Wallet(stack.anvil.accounts[role]?.privateKey ?? '', stack.provider);
    this.companies = localRoles.payers.map(wallet);
    this.pools = localRoles.pools.map(wallet);
    this.validators = localRoles.validators.map(wallet);
    this.keeper = wallet(localRoles.keeper);
  }

  /** Every address that the demo's money can be at. */
  get accounts(): Account[] {
    const { market, registry, quorum } = this.stack.deployment;
    const named = (wallets: readonly Wallet[], name: (index: number) => string): Account[] =>
      wallets.map(({ address }, index) => ({ name: name(index), address }));
    return [
      ...named(this.companies, (index) => companies[index]?.name ?? ''),
      ...named(this.pools, (index) => `pool ${this.poolNames[index] ?? ''}`),
      ...named(this.validators, (index) => `validator ${String(index + 1)}`),
      { name: 'keeper', address: this.keeper.address },
      { name: 'stake of pools', address: registry },
      { name: 'stake of validators', address: quorum },
      { name: 'escrow in the market', address: market },
      { name: 'burnt stake', address: burnAddress },
    ];
  }

  /** Name of the pool that bids with this address; the address when it is nobody's. */
  poolOf(trainer: string): string {
    const index = this.pools.findIndex(({ address }) => address.toLowerCase() === trainer.toLowerCase());
    return this.poolNames[index] ?? trainer;
  }

  validatorOf(address: string): string {
    const index = this.validators.findIndex((wallet) => wallet.address.toLowerCase() === address.toLowerCase());
    return index === -1 ? address : `validator ${String(index + 1)}`;
  }

  async signedIn(wallet: Wallet): Promise<ApiClient> {
    const api = new ApiClient(this.stack.api.graphqlUrl);
    await api.signIn(wallet, this.stack.deployment.chainId);
    return api;
  }

  /** An account that acts on the contracts of this stack. */
  async signatory(wallet: Wallet): Promise<Signatory> {
    return new Signatory({
      api: await this.signedIn(wallet),
      wallet,
      contracts: () => Promise.resolve(this.stack.deployment),
    });
  }

  /** Asks until `done` holds. @throws CommandError after `minutes`, or when the demo is interrupted */
  waitFor<T>(what: string, question: () => Promise<T>, done: (answer: T) => boolean, minutes = 1): Promise<T> {
    return this.api.waitFor(what, question, done, minutes * minuteMs, this.stopping);
  }

  async timed<T>(name: string, work: () => Promise<T>): Promise<T> {
    const started = performance.now();
    const result = await work();
    this.durationsMs[name] = Math.round(performance.now() - started);
    return result;
  }

  /** The demo is a check as well. @throws CommandError when something did not come out as it must */
  expect(condition: boolean, otherwise: string): asserts condition {
    if (!condition) throw new CommandError(exitCodes.failure, `The demo went wrong: ${otherwise}`);
  }

  private get poolNames(): string[] {
    return [...pools, cheat].map(({ name }) => name);
  }
}
