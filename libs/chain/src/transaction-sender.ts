import { setTimeout as delay } from 'node:timers/promises';
import type { Hex } from '@cotrain/protocol';
import { isError, type JsonRpcApiProvider, keccak256, type TransactionReceipt, type Wallet } from 'ethers';
import type { Abi } from 'abitype';
import { asChainError } from './contract-call.ts';
import {
  CallRevertedError,
  ChainError,
  ChainUnavailableError,
  InsufficientFundsError,
  IntentConflictError,
  TransactionRevertedError,
  UnknownIntentError,
} from './errors.ts';
import {
  type Intent,
  type IntentChanges,
  type IntentRecord,
  type IntentStore,
  type LeaseGuard,
  openStatuses,
  sameIntent,
  type SignedAttempt,
} from './intent.ts';
import { type Fees, marketFees, raise, ranOutOfGas, withMargin } from './gas.ts';
import type { Logger } from './logger.ts';

import { findTransaction } from './nonce-search.ts';

export interface TransactionSenderOptions {
  provider: JsonRpcApiProvider;
  /** Holds the key; nothing else sends from its address. */
  wallet: Wallet;
  store: IntentStore;
  logger: Logger;
  /** Milliseconds since the epoch. */
  now?: () => number;
  lease?: LeaseGuard;
  /** Decodes custom errors of the contracts that are called. */
  errorAbi?: Abi;
  /** Blocks on top of a transaction's own before it is final; 0 on a chain that never forks. */
  confirmations?: number;
  pollMs?: number;
  /** A transaction that waits this long is replaced by one with a higher fee. */
  bumpAfterMs?: number;
  /** Most that a unit of gas may cost; a bump never exceeds it. */
  maxFeePerGasCapWei?: bigint;
  /** Most gas of one transaction; 2^24 is what Ethereum allows (EIP-7825). */
  gasLimitCap?: bigint;
}

/** Intents that are looked after side by side. */
const stepsAtOnce = 50;

/**
 * Sends each intent exactly once. The intent is stored, then a nonce and the signed transaction are stored, and only
 * then is anything broadcast; so after a crash at any point the same bytes are broadcast again, never other ones.
 */
export class TransactionSender {
  readonly address: Hex;
  private readonly provider: JsonRpcApiProvider;
  private readonly wallet: Wallet;
  private readonly store: IntentStore;
  private readonly logger: Logger;
  private readonly now: () => number;
  private readonly confirmations: number;
  private readonly pollMs: number;
  private readonly bumpAfterMs: number;
  private readonly cap: bigint;
  private readonly gasLimitCap: bigint;
  private signing: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: TransactionSenderOptions) {
    this.provider = options.provider;
    this.wallet = options.wallet;
    this.store = options.store;
    this.logger = options.logger;
    this.address = options.wallet.address as Hex;
    this.now = options.now ?? Date.now;
    this.confirmations = options.confirmations ?? 2;
    this.pollMs = options.pollMs ?? 1_000;
    this.bumpAfterMs = options.bumpAfterMs ?? 60_000;
    this.cap = options.maxFeePerGasCapWei ?? 500n * 10n ** 9n;
    this.gasLimitCap = options.gasLimitCap ?? 2n ** 24n;
  }

  /**
   * Stores the intent, signs and broadcasts it. Calling again with the same id returns the record that is there; one
   * that was refused is tried again.
   * @throws IntentConflictError; CallRevertedError when the contract would refuse it (no nonce is used);
   *   ChainUnavailableError (the intent is stored: `resume` or a second call goes on)
   */
  async send(intent: Intent): Promise<IntentRecord> {
    const [outcome] = await this.sendMany([intent]);
    if (outcome === undefined) throw new UnknownIntentError(intent.intentId);
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  }

  /**
   * Sends many at once: gas is estimated side by side, nonces follow each other, and all are stored before any is
   * broadcast. One that fails does not keep the others. Outcomes are in the order of the intents.
   */
  async sendMany(intents: readonly Intent[]): Promise<PromiseSettledResult<IntentRecord>[]> {
    const accepted = await Promise.allSettled(intents.map((intent) => this.accept(intent)));
    const toSign = accepted.flatMap((outcome) =>
      outcome.status === 'fulfilled' && outcome.value.status === 'stored' ? [outcome.value.intentId] : [],
    );
    const signed = await this.signAndBroadcast([...new Set(toSign)]);
    return accepted.map((outcome) =>
      outcome.status === 'fulfilled' ? (signed.get(outcome.value.intentId) ?? outcome) : outcome,
    );
  }

  /** Stores an intent, or finds the one of its id. */
  private async accept(intent: Intent): Promise<IntentRecord> {
    const record = await this.store.insertIfAbsent({
      ...intent,
      sender: this.address,
      status: 'stored',
      nonce: null,
      attempts: [],
      minedHash: null,
      minedBlock: null,
      gasUsed: null,
      failure: null,
    });
    if (!sameIntent(record, intent) || record.sender !== this.address) throw new IntentConflictError(intent.intentId);
    // Nothing was ever signed for a refused intent, so it may be asked again when the contract's state has changed.
    if (record.status === 'refused') return this.store.update(record.intentId, { status: 'stored', failure: null });
    // Nobody looks after what is final; that it is asked for again may mean that the chain has forgotten it.
    return record.status === 'confirmed' || record.status === 'reverted' ? this.checkFinal(record) : record;
  }

  /** What was final is open again, and broadcast again, when a reorganisation deeper than the confirmations undid it. */
  private async checkFinal(record: IntentRecord): Promise<IntentRecord> {
    if ((await this.findReceipt(record)) !== null) return record;
    const { intentId, minedHash: hash, minedBlock } = record;
    this.logger.warn({ intentId, hash, minedBlock }, 'a final transaction is not on the chain any more; sent again');
    await this.store.update(intentId, { ...unmined, status: 'signed', failure: null });
    return this.step(intentId);
  }

  /**
   * Waits until the intent is final; replaces it when it waits too long, sends it again when a reorganisation drops it.
   * What may pass (an outage, an empty account, a lost lease) is waited out.
   * @throws TransactionRevertedError, UnknownIntentError, CallRevertedError; the signal's reason
   */
  async wait(intentId: string, signal?: AbortSignal): Promise<IntentRecord> {
    for (;;) {
      signal?.throwIfAborted();
      try {
        const record = await this.step(intentId);
        if (record.status === 'confirmed') return record;
        if (record.status === 'reverted')
          throw new TransactionRevertedError(intentId, record.minedHash ?? '', record.failure ?? 'no reason given');
        if (record.status === 'refused') throw new CallRevertedError(record.failure ?? 'refused', null);
      } catch (error) {
        if (!(error instanceof ChainError) || !error.retryable) throw error;
        this.logger.warn({ intentId, error: error.message }, 'waiting for a transaction');
      }
      await delay(this.pollMs, undefined, { signal });
    }
  }

  /**
   * Takes every open intent one step on: after a start, and regularly. One that fails does not keep the others waiting.
   * Returns how many are still open.
   * @throws the first error that may pass, after all were looked at
   */
  async resume(): Promise<number> {
    const open = await this.store.list(this.address, openStatuses);
    if (open.length === 0) return 0;
    const failures: unknown[] = [];
    const head = await this.headNumber();
    for (let start = 0; start < open.length && failures.length < stepsAtOnce; start += stepsAtOnce) {
      const some = open.slice(start, start + stepsAtOnce);
      const outcomes = await Promise.allSettled(some.map(({ intentId }) => this.step(intentId, head)));
      for (const [index, outcome] of outcomes.entries()) {
        if (outcome.status === 'fulfilled') continue;
        const intentId = some[index]?.intentId;
        // A refused call is recorded with its reason.
        if (outcome.reason instanceof CallRevertedError)
          this.logger.warn({ intentId, reason: outcome.reason.reason }, 'intent refused by the contract');
        else failures.push(outcome.reason);
      }
    }
    if (failures.length > 0) throw failures[0];
    return (await this.store.list(this.address, openStatuses)).length;
  }

  /**
   * Looks at the chain once and does what is due.
   * @param knownHead a head that was seen before: then it is not asked for again
   */
  private async step(intentId: string, knownHead?: number): Promise<IntentRecord> {
    const record = await this.store.get(intentId);
    if (record === null) throw new UnknownIntentError(intentId);
    if (!openStatuses.includes(record.status)) return record;
    if (record.status === 'stored') return this.signOne(intentId);
    const receipt = await this.findReceipt(record);
    if (receipt === null) return this.nurse(record);
    const head = knownHead ?? (await this.headNumber());
    const final = head - receipt.blockNumber >= this.confirmations;
    if (final && receipt.status !== 1 && ranOutOfGas(receipt.gasUsed, record.gasLimit ?? this.gasLimitCap))
      return this.withMoreGas(record, receipt);
    return this.store.update(intentId, {
      status: !final ? 'mined' : receipt.status === 1 ? 'confirmed' : 'reverted',
      minedHash: receipt.hash as Hex,
      minedBlock: receipt.blockNumber,
      gasUsed: receipt.gasUsed,
      failure: receipt.status === 1 ? null : await this.revertReason(record, receipt),
    });
  }

  /** A call that ran out of gas has changed nothing, and its nonce is spent: it may be sent again with twice the gas. */
  private async withMoreGas(record: IntentRecord, receipt: TransactionReceipt): Promise<IntentRecord> {
    const gasLimit = 2n * receipt.gasUsed;
    const spent = { minedHash: receipt.hash as Hex, minedBlock: receipt.blockNumber, gasUsed: receipt.gasUsed };
    if (gasLimit > this.gasLimitCap)
      return this.store.update(record.intentId, {
        ...spent,
        status: 'reverted',
        failure: `it ran out of gas with ${String(receipt.gasUsed)}; twice that is more than ${String(this.gasLimitCap)}`,
      });
    this.logger.warn(
      { intentId: record.intentId, gasUsed: String(receipt.gasUsed) },
      'ran out of gas; sent again with twice as much',
    );
    return this.store.update(record.intentId, { ...unsigned, gasLimit });
  }

  private async signOne(intentId: string): Promise<IntentRecord> {
    const outcome = (await this.signAndBroadcast([intentId])).get(intentId);
    if (outcome === undefined) throw new UnknownIntentError(intentId);
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  }

  /** Estimates, signs and broadcasts stored intents; what became of each, by its id. */
  private async signAndBroadcast(
    intentIds: readonly string[],
  ): Promise<Map<string, PromiseSettledResult<IntentRecord>>> {
    const outcomes = new Map<string, PromiseSettledResult<IntentRecord>>();
    if (intentIds.length === 0) return outcomes;
    const settle = async (intentId: string, work: () => Promise<IntentRecord>): Promise<void> => {
      const [outcome] = await Promise.allSettled([work()]);
      outcomes.set(intentId, outcome);
    };
    await Promise.all(intentIds.map((intentId) => settle(intentId, () => this.estimate(intentId))));
    const estimated = [...outcomes.values()].flatMap((outcome) =>
      outcome.status === 'fulfilled' ? [outcome.value] : [],
    );
    // Signatures are made one batch after the other, so that nonces have neither gaps nor twins.
    const signing = this.signing.then(() => this.sign(estimated));
    this.signing = signing.catch(() => undefined); // the callers get the error
    const [signed] = await Promise.allSettled([signing]);
    await Promise.all(
      estimated.map(({ intentId }) =>
        settle(intentId, async () => {
          if (signed.status === 'rejected') throw signed.reason;
          const record = signed.value.get(intentId);
          if (record === undefined) throw new InsufficientFundsError(this.address);
          await this.broadcast(record);
          return record;
        }),
      ),
    );
    return outcomes;
  }

  /** Asks what the call costs; refuses one that the contract would refuse. */
  private async estimate(intentId: string): Promise<IntentRecord> {
    const record = await this.store.get(intentId);
    if (record === null) throw new UnknownIntentError(intentId);
    if (record.status !== 'stored' || record.gasLimit !== undefined) return record;
    try {
      const { to, data, valueWei: value } = record;
      const estimate = await this.provider.estimateGas({ from: this.address, to, data, value });
      const limit = withMargin(estimate);
      return {
        ...record,
        gasLimit: limit > this.gasLimitCap && estimate <= this.gasLimitCap ? this.gasLimitCap : limit,
      };
    } catch (error) {
      const reason = this.asError(error, 'eth_estimateGas');
      if (reason instanceof CallRevertedError)
        await this.store.update(intentId, { status: 'refused', failure: reason.reason });
      throw reason;
    }
  }

  /**
   * Stores nonce and signed transaction of each; those that were signed meanwhile stay as they are. One that the account
   * cannot pay for is left out: its nonce would hold up all later ones.
   */
  private async sign(estimated: readonly IntentRecord[]): Promise<Map<string, IntentRecord>> {
    const done = new Map<string, IntentRecord>();
    if (estimated.length === 0) return done;
    await this.options.lease?.assertHeld();
    const [nonces, feeData, balanceWei] = await Promise.all([
      this.freeNonces(),
      this.ask('fee data', () => this.provider.getFeeData()),
      this.ask('eth_getBalance', () => this.provider.getBalance(this.address)),
    ]);
    const fees = marketFees(feeData);
    const signed: { intentId: string; changes: IntentChanges }[] = [];
    let leftWei = balanceWei;
    for (const { intentId, gasLimit = 0n } of estimated) {
      const record = await this.store.get(intentId);
      if (record === null) throw new UnknownIntentError(intentId);
      const costWei = record.valueWei + gasLimit * (fees.maxFeePerGasWei < this.cap ? fees.maxFeePerGasWei : this.cap);
      if (record.status !== 'stored') done.set(intentId, record);
      else if (costWei <= leftWei) {
        leftWei -= costWei;
        const nonce = nonces();
        const attempt = await this.signAttempt(record, nonce, gasLimit, fees);
        signed.push({ intentId, changes: { status: 'signed', nonce, gasLimit, attempts: [attempt] } });
      }
    }
    for (const record of await Promise.all(signed.map(({ intentId, changes }) => this.store.update(intentId, changes))))
      done.set(record.intentId, record);
    return done;
  }

  /**
   * The chain knows of what was mined, the store of what was signed: the nonces that neither has used, in turn. A gap
   * that a crash left between stored ones is filled first, or what follows it would wait for ever. Intents that are done
   * count too, because a node that lags behind does not know of them yet.
   */
  private async freeNonces(): Promise<() => number> {
    let next = await this.minedCount('latest');
    const taken = new Set(await this.store.noncesFrom(this.address, next));
    return () => {
      while (taken.has(next)) next++;
      return next++;
    };
  }

  private headNumber(): Promise<number> {
    return this.ask('eth_blockNumber', () => this.provider.getBlockNumber());
  }

  private minedCount(blockTag: number | 'latest'): Promise<number> {
    return this.ask('eth_getTransactionCount', () => this.provider.getTransactionCount(this.address, blockTag));
  }

  private async signAttempt(intent: Intent, nonce: number, gasLimit: bigint, fees: Fees): Promise<SignedAttempt> {
    const { chainId } = await this.ask('eth_chainId', () => this.provider.getNetwork());
    const maxFeePerGasWei = fees.maxFeePerGasWei > this.cap ? this.cap : fees.maxFeePerGasWei;
    const maxPriorityFeePerGasWei =
      fees.maxPriorityFeePerGasWei > maxFeePerGasWei ? maxFeePerGasWei : fees.maxPriorityFeePerGasWei;
    const raw = (await this.wallet.signTransaction({
      type: 2,
      chainId,
      nonce,
      gasLimit,
      to: intent.to,
      data: intent.data,
      value: intent.valueWei,
      maxFeePerGas: maxFeePerGasWei,
      maxPriorityFeePerGas: maxPriorityFeePerGasWei,
    })) as Hex;
    return {
      hash: keccak256(raw) as Hex,
      rawTransaction: raw,
      maxFeePerGasWei,
      maxPriorityFeePerGasWei,
      signedAt: this.now(),
    };
  }

  private async broadcast(record: IntentRecord): Promise<void> {
    // Of one that was found on the chain the bytes are not known.
    const attempt = record.attempts.findLast(({ rawTransaction }) => rawTransaction !== '0x');
    if (attempt === undefined) return;
    try {
      // Not ethers' broadcastTransaction: it takes the transaction apart again and recovers its sender, twice.
      await this.provider.send('eth_sendRawTransaction', [attempt.rawTransaction]);
    } catch (error) {
      // Known already, mined already, or replaced already: the receipt will tell.
      if (
        isError(error, 'NONCE_EXPIRED') ||
        isError(error, 'REPLACEMENT_UNDERPRICED') ||
        /already (known|imported)/i.test(String(error))
      )
        return;
      throw this.asError(error, 'eth_sendRawTransaction');
    }
    this.logger.info({ intentId: record.intentId, hash: attempt.hash, nonce: record.nonce }, 'transaction sent');
  }

  /** Not mined: broadcast again, with a higher fee when it has waited long enough. */
  private async nurse(record: IntentRecord): Promise<IntentRecord> {
    const { intentId, nonce } = record;
    const last = record.attempts.at(-1);
    if (last === undefined || nonce === null) return record;
    let current =
      record.status === 'mined' ? await this.store.update(intentId, { ...unmined, status: 'signed' }) : record;
    const mined = await this.minedCount('latest');
    if (nonce < mined) return this.nonceIsSpent(current, nonce);
    // Only the first one in line: those after it cannot be mined before it, whatever they pay.
    if (nonce === mined && this.now() - last.signedAt >= this.bumpAfterMs) {
      const fees = raise(last, marketFees(await this.ask('fee data', () => this.provider.getFeeData())));
      // A replacement that the cap makes too small would be refused.
      if (raise(last, last).maxFeePerGasWei <= this.cap) {
        await this.options.lease?.assertHeld();
        const attempt = await this.signAttempt(current, nonce, current.gasLimit ?? this.gasLimitCap, fees);
        current = await this.store.update(intentId, { attempts: [...current.attempts, attempt] });
        this.logger.info({ intentId, maxFeePerGasWei: String(attempt.maxFeePerGasWei) }, 'fee raised');
      }
    }
    await this.broadcast(current);
    return current;
  }

  /**
   * The chain is past our nonce, yet none of our attempts was mined: the journal is from a backup, and what it lost was
   * mined, or the key was used elsewhere. The transaction at this nonce tells: if it is the same call, it is ours, and
   * otherwise the intent still waits to be sent. Nothing is decided before it is final.
   */
  private async nonceIsSpent(record: IntentRecord, nonce: number): Promise<IntentRecord> {
    // The usual case: the block came between asking for the receipt and asking for the nonce.
    if ((await this.findReceipt(record)) !== null) return record;
    const head = await this.headNumber();
    const deep = Math.max(0, head - this.confirmations);
    if ((await this.minedCount(deep)) <= nonce) return record;
    const found = await this.ask('search by nonce', () => findTransaction(this.provider, this.address, nonce, deep));
    if (found === null) return record; // reorganised while it was searched
    if (record.attempts.some(({ hash }) => hash === found.hash)) return record; // mined just now
    const { hash, to, data, value } = found;
    if (sameIntent(record, { ...record, to: (to ?? '') as Hex, data: data as Hex, valueWei: value })) {
      const attempt = {
        hash: hash as Hex,
        rawTransaction: '0x' as Hex,
        signedAt: this.now(),
        maxFeePerGasWei: 0n,
        maxPriorityFeePerGasWei: 0n,
      };
      this.logger.warn({ intentId: record.intentId, hash }, 'found on the chain: the journal had lost it');
      return this.store.update(record.intentId, { attempts: [...record.attempts, attempt] });
    }
    this.logger.warn({ intentId: record.intentId, nonce, hash }, 'its nonce went to another transaction; signed anew');
    return this.store.update(record.intentId, unsigned);
  }

  /** Any of the attempts may be the one that was mined. */
  private async findReceipt(record: IntentRecord): Promise<TransactionReceipt | null> {
    for (const { hash } of record.attempts.toReversed()) {
      const receipt = await this.ask('eth_getTransactionReceipt', () => this.provider.getTransactionReceipt(hash));
      if (receipt !== null) return receipt;
    }
    return null;
  }

  private async revertReason(record: IntentRecord, receipt: TransactionReceipt): Promise<string> {
    try {
      await this.provider.call({
        from: this.address,
        to: record.to,
        data: record.data,
        value: record.valueWei,
        blockTag: receipt.blockNumber - 1,
      });
      return 'the call succeeds now; it failed in its place in the block';
    } catch (error) {
      return asChainError(error, 'eth_call', this.options.errorAbi).message;
    }
  }

  private asError(error: unknown, operation: string): ChainError {
    return isError(error, 'INSUFFICIENT_FUNDS') || /insufficient funds/i.test(String(error))
      ? new InsufficientFundsError(this.address, error)
      : asChainError(error, operation, this.options.errorAbi);
  }

  private async ask<T>(operation: string, question: () => Promise<T>): Promise<T> {
    try {
      return await question();
    } catch (error) {
      throw error instanceof ChainError ? error : new ChainUnavailableError(operation, error);
    }
  }
}

/** A record as if it had never been mined. */
const unmined = { minedHash: null, minedBlock: null, gasUsed: null } satisfies IntentChanges;

/** A record as if it had never been signed. */
const unsigned = { ...unmined, status: 'stored', nonce: null, attempts: [], failure: null } satisfies IntentChanges;
