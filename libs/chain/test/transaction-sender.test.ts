import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Hex } from '@cotrain/protocol';
import { toBeHex, Wallet } from 'ethers';
import {
  CallRevertedError,
  ChainUnavailableError,
  InsufficientFundsError,
  IntentConflictError,
  LeaseLostError,
  TransactionRevertedError,
  UnknownIntentError,
} from '../src/errors.ts';
import type { Intent, IntentRecord } from '../src/intent.ts';
import { MemoryIntentStore } from '../src/memory-intent-store.ts';
import { ChainFixture, eaterCode, gateCode, makeProvider } from './chain-fixture.ts';

let chain: ChainFixture;
beforeAll(async () => {
  chain = await ChainFixture.start();
});
afterAll(() => chain.stop());

const payment = (intentId: string, valueWei = 1n): Intent => ({
  intentId,
  to: '0x00000000000000000000000000000000000c0ffe',
  data: '0x',
  valueWei,
});
/** Fees that put a transaction before the others of its block. */
const first = { maxPriorityFeePerGas: 50n * 10n ** 9n, maxFeePerGas: 500n * 10n ** 9n, gasLimit: 100_000n };
const call = (intentId: string, to: Hex, data: Hex = '0x'): Intent => ({ intentId, to, data, valueWei: 0n });

describe('sending', () => {
  it('stores the signed transaction before it is broadcast', async () => {
    const store = new MemoryIntentStore();
    const provider = makeProvider(chain.anvil.rpcUrl);
    let storedAtBroadcast: IntentRecord | null = null;
    const send = provider.send.bind(provider);
    provider.send = async (method, params) => {
      if (method === 'eth_sendRawTransaction') storedAtBroadcast = await store.get('one');
      return send(method, params);
    };
    const sender = chain.sender({ store, provider });
    const record = await sender.send(payment('one'));
    expect(storedAtBroadcast).toMatchObject({ status: 'signed', nonce: 0, attempts: record.attempts });
    expect(await sender.wait('one')).toMatchObject({ status: 'confirmed', minedHash: record.attempts[0]?.hash });
    provider.destroy();
  });

  it('gives many intents at once nonces without gaps or twins', async () => {
    const sender = chain.sender();
    const count = 40;
    const ids = Array.from({ length: count }, (_, index) => `intent ${String(index)}`);
    await Promise.all(ids.map((intentId, index) => sender.send(payment(intentId, BigInt(index + 1)))));
    await Promise.all(ids.map((intentId) => sender.wait(intentId)));
    const sent = await chain.sentBy(sender.address);
    expect(sent.map(({ nonce }) => nonce)).toEqual(Array.from({ length: count }, (_, index) => index));
    expect(sent.map(({ value }) => value).sort((a, b) => Number(a - b))).toEqual(
      ids.map((_, index) => BigInt(index + 1)),
    );
  });

  it('sends one transaction for one id, however often and at the same time it is asked', async () => {
    const sender = chain.sender();
    await Promise.all(Array.from({ length: 10 }, () => sender.send(payment('one'))));
    await sender.wait('one');
    await sender.send(payment('one'));
    expect(await chain.sentBy(sender.address)).toHaveLength(1);
  });

  it('refuses an id that stands for another call', async () => {
    const sender = chain.sender();
    await sender.send(payment('one', 1n));
    await expect(sender.send(payment('one', 2n))).rejects.toThrow(IntentConflictError);
    await expect(sender.send({ ...payment('one', 1n), data: '0x01' })).rejects.toThrow(IntentConflictError);
    await expect(sender.wait('other')).rejects.toThrow(UnknownIntentError);
  });

  it('uses no nonce for a call that the contract refuses, and sends it when the contract allows it', async () => {
    const gate = await chain.place(gateCode);
    const sender = chain.sender();
    await expect(sender.send(call('pass', gate))).rejects.toThrow(CallRevertedError);
    await expect(sender.wait('pass')).rejects.toThrow(CallRevertedError);
    await sender.send(call('open', gate, toBeHex(1, 32) as Hex));
    expect(await sender.wait('open')).toMatchObject({ nonce: 0 });
    await sender.send(call('pass', gate));
    expect(await sender.wait('pass')).toMatchObject({ status: 'confirmed', nonce: 1, failure: null });
  });

  it('tells of a call that was mined and reverted', async () => {
    const gate = await chain.place(gateCode);
    const opener = chain.sender();
    await opener.send(call('open', gate, toBeHex(1, 32) as Hex));
    await opener.wait('open');
    const sender = chain.sender();
    await chain.withMiningPaused(async () => {
      // Closed by somebody who pays more and so comes first in the same block.
      const rival = new Wallet(chain.account().privateKey, chain.provider);
      await sender.send(call('pass', gate));
      await rival.sendTransaction({ to: gate, data: toBeHex(0, 32), ...first });
    });
    await expect(sender.wait('pass')).rejects.toThrow(TransactionRevertedError);
    expect(await sender.resume()).toBe(0);
  });

  it('sends again with more gas what ran out of it because others acted first', async () => {
    const eater = await chain.place(eaterCode);
    const store = new MemoryIntentStore();
    const sender = chain.sender({ store });
    await chain.withMiningPaused(async () => {
      const rival = new Wallet(chain.account().privateKey, chain.provider);
      await sender.send(call('eat', eater)); // the estimate: nothing to write
      await rival.sendTransaction({ to: eater, data: toBeHex(20, 32), ...first });
    });
    const done = await sender.wait('eat');
    expect(done.status).toBe('confirmed');
    expect(done.nonce).toBeGreaterThan(0);
    expect(done.gasUsed).toBeGreaterThan(20n * 22_100n);
    expect(await chain.provider.getStorage(eater, 20)).toBe(toBeHex(1, 32));
  });

  it('gives up when twice the gas would be more than a transaction may have', async () => {
    const eater = await chain.place(eaterCode);
    const sender = chain.sender({ gasLimitCap: 120_000n });
    await chain.withMiningPaused(async () => {
      const rival = new Wallet(chain.account().privateKey, chain.provider);
      await sender.send(call('eat', eater));
      await rival.sendTransaction({ to: eater, data: toBeHex(20, 32), ...first });
    });
    await expect(sender.wait('eat')).rejects.toThrow(/ran out of gas/);
  });

  it('has margin enough for a bid that is displaced within the block', async () => {
    const eater = await chain.place(eaterCode);
    const sender = chain.sender();
    await chain.withMiningPaused(async () => {
      const rival = new Wallet(chain.account().privateKey, chain.provider);
      await sender.send(call('eat', eater));
      await rival.sendTransaction({ to: eater, data: toBeHex(3, 32), ...first });
    });
    expect(await sender.wait('eat')).toMatchObject({ status: 'confirmed', nonce: 0 });
  });

  it('says that the account is empty, lets others pass, and sends when it is filled', async () => {
    const { address, privateKey } = Wallet.createRandom() as unknown as { address: Hex; privateKey: Hex };
    await chain.rpc('anvil_setBalance', address, toBeHex(10n ** 17n));
    const sender = chain.sender({ privateKey });
    await expect(sender.send(payment('large', 10n ** 18n))).rejects.toThrow(InsufficientFundsError);
    await sender.send(payment('small', 1n));
    await expect(sender.resume()).rejects.toThrow(address);
    expect(await sender.wait('small')).toMatchObject({ status: 'confirmed', nonce: 0 });
    const waiting = sender.wait('large');
    await chain.rpc('anvil_setBalance', address, toBeHex(2n * 10n ** 18n));
    expect(await waiting).toMatchObject({ status: 'confirmed', nonce: 1 });
  });
});

describe('a transaction that is not mined', () => {
  it('is replaced at its nonce with a higher fee, and either may be mined', async () => {
    const sender = chain.sender({ bumpAfterMs: 0 });
    await chain.withMiningPaused(async () => {
      await sender.send(payment('one', 7n));
      await sender.resume();
      await sender.resume();
      const pool = (await chain.rpc('txpool_content')) as { pending: Record<string, Record<string, { hash: string }>> };
      const ours = Object.entries(pool.pending).find(
        ([address]) => address.toLowerCase() === sender.address.toLowerCase(),
      );
      expect(Object.keys(ours?.[1] ?? {})).toEqual(['0']);
    });
    const record = await sender.wait('one');
    expect(record.attempts).toHaveLength(3);
    const fees = record.attempts.map(({ maxFeePerGasWei }) => maxFeePerGasWei);
    expect(fees.every((fee, index) => index === 0 || fee * 100n >= (fees[index - 1] ?? 0n) * 110n)).toBe(true);
    expect(record.minedHash).toBe(record.attempts[2]?.hash);
    expect(await chain.sentBy(sender.address)).toHaveLength(1);
  });

  it('is never offered more than the cap', async () => {
    const cap = 3n * 10n ** 9n;
    const sender = chain.sender({ bumpAfterMs: 0, maxFeePerGasCapWei: cap });
    await chain.withMiningPaused(async () => {
      await sender.send(payment('one'));
      for (let times = 0; times < 12; times++) await sender.resume();
    });
    const { attempts } = await sender.wait('one');
    expect(attempts.length).toBeLessThan(12);
    for (const attempt of attempts) expect(attempt.maxFeePerGasWei).toBeLessThanOrEqual(cap);
  });

  it('only the first in line is raised: those behind it cannot overtake', async () => {
    const sender = chain.sender({ bumpAfterMs: 0 });
    await chain.withMiningPaused(async () => {
      await sender.send(payment('first'));
      await sender.send(payment('second'));
      await sender.resume();
    });
    expect((await sender.wait('first')).attempts).toHaveLength(2);
    expect((await sender.wait('second')).attempts).toHaveLength(1);
  });

  it('is broadcast again when the node has dropped it', async () => {
    const sender = chain.sender();
    await chain.withMiningPaused(async () => {
      const { attempts } = await sender.send(payment('one'));
      await chain.rpc('anvil_dropTransaction', attempts[0]?.hash);
      expect(await chain.provider.getTransaction(attempts[0]?.hash ?? '')).toBeNull();
      await sender.resume();
    });
    expect(await sender.wait('one')).toMatchObject({ status: 'confirmed', nonce: 0 });
  });
});

describe('a chain that changes its mind', () => {
  it('undoes what was final: asked for again, it is sent again, once', async () => {
    const sender = chain.sender({ confirmations: 2 });
    await sender.send(payment('one', 9n));
    await chain.mine(2);
    await sender.resume();
    const before = await sender.send(payment('one', 9n));
    expect(before).toMatchObject({ status: 'confirmed', nonce: 0 });
    await chain.rpc('anvil_reorg', 3, []);
    expect(await chain.sentBy(sender.address)).toHaveLength(0);
    const again = await sender.send(payment('one', 9n));
    expect(again).toMatchObject({ attempts: before.attempts, nonce: 0 });
    await chain.mine(3);
    expect(await sender.wait('one')).toMatchObject({ status: 'confirmed', minedHash: before.minedHash });
    await sender.send(payment('one', 9n));
    expect(await chain.sentBy(sender.address)).toHaveLength(1);
  });

  it('is not asked about what is new, only about what was final', async () => {
    const provider = makeProvider(chain.anvil.rpcUrl);
    const send = provider.send.bind(provider);
    let receipts = 0;
    provider.send = (method, params) => {
      if (method === 'eth_getTransactionReceipt') receipts++;
      return send(method, params);
    };
    const sender = chain.sender({ provider });
    await sender.send(payment('one'));
    expect(receipts).toBe(0);
    await sender.wait('one');
    receipts = 0;
    expect(await sender.send(payment('one'))).toMatchObject({ status: 'confirmed' });
    expect(receipts).toBe(1);
    provider.destroy();
  });

  it('gets the transaction again after a reorganisation dropped it, and not twice', async () => {
    const sender = chain.sender({ confirmations: 3 });
    await sender.send(payment('one', 9n));
    await chain.mine();
    await sender.resume();
    const before = await sender.send(payment('one', 9n));
    expect(before).toMatchObject({ status: 'mined' });
    await chain.rpc('anvil_reorg', 2, []);
    expect(await chain.sentBy(sender.address)).toHaveLength(0);
    await sender.resume();
    await chain.mine(4);
    const after = await sender.wait('one');
    expect(after).toMatchObject({ status: 'confirmed', nonce: 0, minedHash: before.attempts[0]?.hash });
    expect(await chain.sentBy(sender.address)).toHaveLength(1);
  });

  it('is final only when enough blocks are on top', async () => {
    const sender = chain.sender({ confirmations: 2 });
    await sender.send(payment('one'));
    await sender.resume();
    expect(await sender.resume()).toBe(1);
    await chain.mine();
    expect(await sender.resume()).toBe(1);
    await chain.mine();
    expect(await sender.resume()).toBe(0);
  });

  it('a node that lags behind does not make it use a nonce twice', async () => {
    const provider = makeProvider(chain.anvil.rpcUrl);
    const sender = chain.sender({ provider });
    await sender.send(payment('one'));
    await sender.wait('one');
    provider.getTransactionCount = () => Promise.resolve(0); // as if nothing had been mined yet
    expect(await sender.send(payment('two'))).toMatchObject({ nonce: 1 });
    provider.destroy();
  });
});

describe('an outage', () => {
  it('keeps the intent, and it is sent once when the node is back', async () => {
    const provider = makeProvider(chain.anvil.rpcUrl);
    const send = provider.send.bind(provider);
    let down = true;
    provider.send = (method, params) => (down ? Promise.reject(new Error('ECONNREFUSED')) : send(method, params));
    const sender = chain.sender({ provider });
    await expect(sender.send(payment('one'))).rejects.toThrow(ChainUnavailableError);
    await expect(sender.resume()).rejects.toThrow(ChainUnavailableError);
    const waiting = sender.wait('one');
    down = false;
    expect(await waiting).toMatchObject({ status: 'confirmed', nonce: 0 });
    expect(await chain.sentBy(sender.address)).toHaveLength(1);
    provider.destroy();
  });

  it('that swallows the answer to a broadcast does not make a second transaction', async () => {
    const provider = makeProvider(chain.anvil.rpcUrl);
    const send = provider.send.bind(provider);
    let lost = 0;
    provider.send = async (method, params) => {
      const answer: unknown = await send(method, params);
      if (method === 'eth_sendRawTransaction' && lost++ === 0) throw new Error('socket hang up');
      return answer;
    };
    const sender = chain.sender({ provider });
    await expect(sender.send(payment('one'))).rejects.toThrow(ChainUnavailableError);
    expect(await sender.wait('one')).toMatchObject({ status: 'confirmed', nonce: 0 });
    expect(await chain.sentBy(sender.address)).toHaveLength(1);
    provider.destroy();
  });

  it('ends a wait by its signal', async () => {
    const sender = chain.sender({ confirmations: 1_000 });
    await sender.send(payment('one'));
    await expect(sender.wait('one', AbortSignal.timeout(50))).rejects.toThrow(/timeout|aborted/);
  });
});

describe('a sender that is not alone', () => {
  it('signs nothing without the lease', async () => {
    let held = false;
    const lease = {
      assertHeld: () => (held ? Promise.resolve() : Promise.reject(new LeaseLostError('replica a'))),
    };
    const sender = chain.sender({ lease });
    await expect(sender.send(payment('one'))).rejects.toThrow(LeaseLostError);
    expect(await chain.sentBy(sender.address)).toHaveLength(0);
    held = true;
    expect(await sender.wait('one')).toMatchObject({ status: 'confirmed', nonce: 0 });
  });

  it('does not raise a fee without the lease', async () => {
    let held = true;
    const lease = {
      assertHeld: () => (held ? Promise.resolve() : Promise.reject(new LeaseLostError('replica a'))),
    };
    const sender = chain.sender({ lease, bumpAfterMs: 0 });
    await chain.withMiningPaused(async () => {
      await sender.send(payment('one'));
      held = false;
      await expect(sender.resume()).rejects.toThrow(LeaseLostError);
    });
    expect((await sender.wait('one')).attempts).toHaveLength(1);
  });

  it('two that share a store, one of them without knowing, never sign one nonce for two intents', async () => {
    const store = new MemoryIntentStore();
    const { privateKey } = chain.account();
    const senders = [chain.sender({ store, privateKey }), chain.sender({ store, privateKey })];
    const ids = Array.from({ length: 20 }, (_, index) => `intent ${String(index)}`);
    await Promise.allSettled(
      ids.map((intentId, index) => senders[index % 2]!.send(payment(intentId, BigInt(index + 1)))),
    );
    await Promise.all(ids.map((intentId) => senders[0]!.wait(intentId)));
    const sent = await chain.sentBy(senders[0]?.address ?? '');
    expect(sent.map(({ nonce }) => nonce)).toEqual(ids.map((_, index) => index));
    expect(new Set(sent.map(({ value }) => value)).size).toBe(ids.length);
  });
});

describe('a journal from a backup', () => {
  it('finds the lost attempt of an intent on the chain instead of sending it again', async () => {
    const { privateKey } = chain.account();
    const store = new MemoryIntentStore();
    const sender = chain.sender({ store, privateKey, bumpAfterMs: 0 });
    const backup = new MemoryIntentStore();
    await chain.withMiningPaused(async () => {
      await sender.send(payment('one', 3n));
      await backup.insertIfAbsent((await store.get('one')) as IntentRecord);
      await sender.resume(); // a higher fee, which the backup does not know of
    });
    const { minedHash } = await sender.wait('one');
    const restored = chain.sender({ store: backup, privateKey });
    expect(await restored.wait('one')).toMatchObject({ status: 'confirmed', minedHash });
    expect(await chain.sentBy(sender.address)).toHaveLength(1);
  });

  it('signs anew when the nonce went to something else', async () => {
    const { privateKey } = chain.account();
    const store = new MemoryIntentStore();
    const sender = chain.sender({ store, privateKey });
    const record = await chain.withMiningPaused(async () => {
      const sent = await sender.send(payment('one', 3n));
      await chain.rpc('anvil_dropTransaction', sent.attempts[0]?.hash);
      return sent;
    });
    const elsewhere = new Wallet(privateKey, chain.provider);
    await (await elsewhere.sendTransaction({ to: elsewhere.address, nonce: record.nonce })).wait();
    expect(await sender.wait('one')).toMatchObject({ status: 'confirmed', nonce: 1 });
    const sent = await chain.sentBy(sender.address);
    expect(sent.filter(({ value }) => value === 3n)).toHaveLength(1);
  });
});
