import { createHmac } from 'node:crypto';
import {
  CallRevertedError,
  InsufficientFundsError,
  IntentConflictError,
  type IntentRecord,
  type IntentStatus,
  type IntentStore,
  type LeaseGuard,
  LeaseLostError,
  type Logger,
  TransactionSender,
} from '@cotrain/chain';
import type { Hex } from '@cotrain/protocol';
import type { Abi } from 'abitype';
import { type JsonRpcProvider, Wallet } from 'ethers';
import { assertAllowed, NotAllowedError, type SigningPolicy } from './policy.ts';
import type { IntentAnswer, IntentFailure, IntentOutcome, IntentRequest } from './protocol.ts';
import { SpendingLedger } from './spending-ledger.ts';

export interface SigningDeskOptions {
  provider: JsonRpcProvider;
  keys: readonly string[];
  store: IntentStore;
  /** Says before each signature that this is the one signer; needed where several share a store. */
  lease?: SignerLease;
  policy: SigningPolicy;
  logger: Logger;
  errorAbi: Abi;
  confirmations?: number;
  pollMs?: number;
  now?: () => number;
}

/** A lease with terms: between two terms of this signer another one has signed. */
export interface SignerLease extends LeaseGuard {
  /** Of the lease as it was last held; null before it is. */
  readonly term: number | null;
}

interface Account {
  wallet: Wallet;
  sender: TransactionSender;
  ledger: SpendingLedger;
}

const allStatuses: readonly IntentStatus[] = ['stored', 'signed', 'mined', 'confirmed', 'reverted', 'refused'];

/** Intents are looked after at least this often, also without a new block. */
const tendEveryMs = 5_000;

/** Checks what is to be signed against the policy, signs it, and looks after what was sent. */
export class SigningDesk {
  private tended = { head: -1, at: -Infinity };
  /** The term of the lease for which the ledgers were read. */
  private term: number | null = null;
  private takeover: Promise<void> | null = null;

  private constructor(
    private readonly options: SigningDeskOptions,
    private readonly accounts: ReadonlyMap<string, Account>,
  ) {}

  /** Opens the desk; what each account has spent follows from the stored intents. */
  static async open(options: SigningDeskOptions): Promise<SigningDesk> {
    const accounts = new Map<string, Account>();
    for (const key of options.keys) {
      const wallet = new Wallet(key, options.provider);
      const sender = new TransactionSender({ ...options, wallet });
      accounts.set(wallet.address.toLowerCase(), { wallet, sender, ledger: await readLedger(wallet, options) });
    }
    return new SigningDesk(options, accounts);
  }

  addresses(): string[] {
    return [...this.accounts.values()].map(({ wallet }) => wallet.address);
  }

  async intent(intentId: string): Promise<IntentAnswer | null> {
    const record = await this.options.store.get(intentId);
    return record === null ? null : answerOf(record);
  }

  /** Whether this is the signer that signs; it takes over when no other one does. */
  async isHolder(): Promise<boolean> {
    try {
      await this.takeOver();
      return true;
    } catch (error) {
      if (error instanceof LeaseLostError) return false;
      throw error;
    }
  }

  /** Sends what the policy allows, all of one account together; outcomes are in the order of the requests. */
  async submit(requests: readonly IntentRequest[]): Promise<IntentOutcome[]> {
    try {
      await this.takeOver();
    } catch (error) {
      return requests.map(({ intentId }) => failureOf(intentId, error));
    }
    const outcomes = new Map<number, IntentOutcome>();
    const bySender = new Map<Account, number[]>();
    for (const [index, request] of requests.entries()) {
      try {
        const account = this.account(request.account);
        this.admit(account, request);
        bySender.set(account, [...(bySender.get(account) ?? []), index]);
      } catch (error) {
        outcomes.set(index, failureOf(request.intentId, error));
      }
    }
    await Promise.all(
      [...bySender].map(async ([account, indices]) => {
        const intents = indices.flatMap((index) => requests[index] ?? []);
        const results = await account.sender.sendMany(
          intents.map(({ intentId, to, data, valueWei }) => ({ intentId, to, data, valueWei: BigInt(valueWei) })),
        );
        for (const [position, result] of results.entries()) {
          const intentId = intents[position]?.intentId ?? '';
          if (result.status === 'rejected' && result.reason instanceof CallRevertedError)
            account.ledger.giveBack(intentId);
          outcomes.set(
            indices[position] ?? -1,
            result.status === 'fulfilled' ? answerOf(result.value) : failureOf(intentId, result.reason),
          );
        }
      }),
    );
    return requests.map(
      ({ intentId }, index) => outcomes.get(index) ?? failureOf(intentId, new Error('it was not looked at')),
    );
  }

  /** Derived from the key, not stored: a restored backup can still reveal what was committed before. */
  salt(address: string, context: string): Hex {
    const key = Buffer.from(this.account(address).wallet.privateKey.slice(2), 'hex');
    return `0x${createHmac('sha256', key).update(`cotrain.salt/1:${context}`).digest('hex')}`;
  }

  /**
   * Takes every open intent one step on, when there is a new block or enough time has passed: in between nothing can
   * have come of them. One account's trouble does not keep the others.
   */
  async tend(): Promise<void> {
    const now = performance.now();
    const head = await this.options.provider.getBlockNumber().catch((error: unknown) => {
      this.options.logger.warn({ error: messageOf(error) }, 'the chain does not answer; again soon');
      return null;
    });
    if (head === null || (head === this.tended.head && now - this.tended.at < tendEveryMs)) return;
    this.tended = { head, at: now };
    for (const [address, { sender }] of this.accounts) {
      try {
        await sender.resume();
      } catch (error) {
        this.options.logger.warn({ address, error: messageOf(error) }, 'intents could not be looked after; again soon');
      }
    }
  }

  /**
   * Makes sure of the lease. What another signer has spent since this one last held it is in the store alone, so the
   * ledgers are read again. Requests that come at once wait for one reading, and are counted after it.
   */
  private async takeOver(): Promise<void> {
    const { lease } = this.options;
    if (lease === undefined) return;
    await lease.assertHeld();
    if (lease.term === this.term) return;
    this.takeover ??= this.readLedgers(lease).finally(() => {
      this.takeover = null;
    });
    await this.takeover;
  }

  private async readLedgers(lease: SignerLease): Promise<void> {
    const { term } = lease;
    for (const account of this.accounts.values()) account.ledger = await readLedger(account.wallet, this.options);
    this.term = term;
  }

  /** Counts the value before anything is signed, so that requests at the same time cannot exceed the limit together. */
  private admit({ ledger }: Account, request: IntentRequest): void {
    const valueWei = BigInt(request.valueWei);
    assertAllowed(
      this.options.policy,
      { to: request.to, data: request.data, valueWei },
      ledger.spentWei(request.intentId),
    );
    ledger.count(request.intentId, valueWei);
  }

  private account(address: string): Account {
    const found = this.accounts.get(address.toLowerCase());
    if (found === undefined) throw new NotAllowedError(`The signer has no key for account ${address}.`);
    return found;
  }
}

async function readLedger(
  wallet: Wallet,
  { store, now }: Pick<SigningDeskOptions, 'store' | 'now'>,
): Promise<SpendingLedger> {
  return new SpendingLedger(await store.list(wallet.address as Hex, allStatuses), now ?? Date.now);
}

function answerOf(record: IntentRecord): IntentAnswer {
  return {
    intentId: record.intentId,
    status: record.status,
    hash: record.minedHash ?? record.attempts.at(-1)?.hash ?? null,
    gasUsed: record.gasUsed === null ? null : String(record.gasUsed),
    failure: record.failure,
  };
}

function failureOf(intentId: string, error: unknown): IntentFailure {
  const reason =
    error instanceof NotAllowedError
      ? 'not allowed'
      : error instanceof CallRevertedError
        ? 'reverts'
        : error instanceof IntentConflictError
          ? 'conflict'
          : error instanceof InsufficientFundsError
            ? 'insufficient funds'
            : 'unavailable';
  return { intentId, error: messageOf(error), reason };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
