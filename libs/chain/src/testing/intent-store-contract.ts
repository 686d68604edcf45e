import assert from 'node:assert/strict';
import type { Hex } from '@cotrain/protocol';
import { NonceTakenError, UnknownIntentError } from '../errors.ts';
import type { IntentRecord, IntentStatus, IntentStore } from '../intent.ts';

const sender: Hex = `0x${'a'.repeat(40)}`;
const other: Hex = `0x${'b'.repeat(40)}`;

/** A record with every field set, so that a store that forgets one is found out. */
export function sampleIntent(intentId: string, changes: Partial<IntentRecord> = {}): IntentRecord {
  return {
    intentId,
    to: `0x${'c'.repeat(40)}`,
    data: '0x1234',
    valueWei: 2n ** 200n + 1n,
    sender,
    status: 'stored',
    nonce: null,
    attempts: [],
    minedHash: null,
    minedBlock: null,
    gasUsed: null,
    failure: null,
    ...changes,
  };
}

const attempt = {
  hash: `0x${'1'.repeat(64)}` as Hex,
  rawTransaction: '0x02f8' as Hex,
  maxFeePerGasWei: 2n ** 70n,
  maxPriorityFeePerGasWei: 0n,
  signedAt: 1_700_000_000_123,
};

/** Equal whatever order the members have and whatever realm they come from. */
function same(actual: unknown, expected: unknown): void {
  assert.equal(readable(actual), readable(expected));
}

function readable(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) => {
    if (typeof item === 'bigint') return `${String(item)}n`;
    if (typeof item !== 'object' || item === null || Array.isArray(item)) return item;
    return Object.fromEntries(Object.entries(item).sort(([a], [b]) => a.localeCompare(b)));
  });
}

/** What every IntentStore promises; each check gets an empty store. */
export const intentStoreContract: readonly { name: string; check: (store: IntentStore) => Promise<void> }[] = [
  {
    name: 'gives back what was stored, to the last wei',
    check: async (store) => {
      const record = sampleIntent('one', { gasLimit: 21_000n, failure: '5n' });
      same(await store.insertIfAbsent(record), record);
      same(await store.get('one'), record);
      assert.equal(await store.get('two'), null);
    },
  },
  {
    name: 'takes any text as an id',
    check: async (store) => {
      for (const intentId of ['7n', '__proto__', 'constructor', '"\\\n', 'ünï', "'; DROP TABLE x; --"]) {
        await store.insertIfAbsent(sampleIntent(intentId));
        assert.equal((await store.get(intentId))?.intentId, intentId);
      }
    },
  },
  {
    name: 'keeps the first of two with one id, also when both come at once',
    check: async (store) => {
      const records = Array.from({ length: 10 }, (_, index) => sampleIntent('one', { valueWei: BigInt(index) }));
      const stored = await Promise.all(records.map((record) => store.insertIfAbsent(record)));
      for (const record of stored) same(record, stored[0]);
      same(await store.get('one'), stored[0]);
    },
  },
  {
    name: 'updates what is named and nothing else',
    check: async (store) => {
      const record = sampleIntent('one');
      await store.insertIfAbsent(record);
      const changes = { status: 'signed' as IntentStatus, nonce: 7, gasLimit: 100_000n, attempts: [attempt] };
      same(await store.update('one', changes), { ...record, ...changes });
      await store.update('one', { status: 'mined', minedHash: attempt.hash, minedBlock: 9, gasUsed: 50_000n });
      await store.update('one', { status: 'signed', minedHash: null, minedBlock: null, gasUsed: null });
      same(await store.get('one'), { ...record, ...changes });
    },
  },
  {
    name: 'refuses to update what is not there',
    check: async (store) => {
      await assert.rejects(store.update('none', { status: 'signed' }), UnknownIntentError);
    },
  },
  {
    name: 'hands out copies: changing one changes nothing stored',
    check: async (store) => {
      const record = sampleIntent('one', { attempts: [{ ...attempt }] });
      const stored = await store.insertIfAbsent(record);
      record.attempts.push(attempt);
      stored.attempts.length = 0;
      (await store.get('one'))?.attempts.push(attempt);
      assert.equal((await store.get('one'))?.attempts.length, 1);
    },
  },
  {
    name: 'lists a sender’s intents in the statuses, by nonce, then as they came',
    check: async (store) => {
      await store.insertIfAbsent(sampleIntent('late'));
      await store.insertIfAbsent(sampleIntent('later'));
      await store.insertIfAbsent(sampleIntent('nonce 11', { status: 'signed', nonce: 11 }));
      await store.insertIfAbsent(sampleIntent('nonce 9', { status: 'mined', nonce: 9 }));
      await store.insertIfAbsent(sampleIntent('done', { status: 'confirmed', nonce: 8 }));
      await store.insertIfAbsent(sampleIntent('foreign', { sender: other }));
      const listed = await store.list(sender, ['stored', 'signed', 'mined']);
      same(
        listed.map(({ intentId }) => intentId),
        ['nonce 9', 'nonce 11', 'late', 'later'],
      );
      same(await store.list(sender, []), []);
    },
  },
  {
    name: 'knows the nonces of a sender, whatever became of them',
    check: async (store) => {
      same(await store.noncesFrom(sender, 0), []);
      await store.insertIfAbsent(sampleIntent('one', { status: 'confirmed', nonce: 12 }));
      await store.insertIfAbsent(sampleIntent('two', { status: 'signed', nonce: 3 }));
      await store.insertIfAbsent(sampleIntent('three', { status: 'reverted', nonce: 7 }));
      await store.insertIfAbsent(sampleIntent('four', { sender: other, status: 'signed', nonce: 99 }));
      same(await store.noncesFrom(sender, 7), [7, 12]);
      await store.update('two', { status: 'stored', nonce: null });
      same(await store.noncesFrom(sender, 0), [7, 12]);
    },
  },
  {
    name: 'refuses a nonce that another intent of the sender has',
    check: async (store) => {
      await store.insertIfAbsent(sampleIntent('one'));
      await store.insertIfAbsent(sampleIntent('two'));
      await store.insertIfAbsent(sampleIntent('foreign', { sender: other, status: 'signed', nonce: 4 }));
      const taken = await Promise.allSettled(
        ['one', 'two'].map((intentId) => store.update(intentId, { status: 'signed', nonce: 4 })),
      );
      const refused = taken.filter((result) => result.status === 'rejected');
      assert.equal(refused.length, 1);
      assert.ok(refused[0]?.reason instanceof NonceTakenError);
      await store.update('one', { status: 'signed', nonce: 4 }).catch(() => undefined); // its own, or refused as before
      assert.equal((await store.list(sender, ['signed'])).length, 1);
    },
  },
];
