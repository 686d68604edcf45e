import { expect, test } from '@jest/globals';
import { type IntentRecord, LeaseLostError, MemoryIntentStore } from '@cotrain/chain';
import type { Hex } from '@cotrain/protocol';
import { JsonRpcProvider, Wallet } from 'ethers';
import type { IntentOutcome, IntentRequest } from './protocol.ts';
import { type SignerLease, SigningDesk } from './signing-desk.ts';

const key = `0x${'1'.repeat(64)}`;
const account = new Wallet(key).address as Hex;
const market: Hex = `0x${'9'.repeat(40)}`;
const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined };
const limitWei = 100n;

const request = (intentId: string, valueWei: bigint): IntentRequest => ({
  intentId,
  account,
  to: market,
  data: '0x12345678',
  valueWei: String(valueWei),
});
const spent = (intentId: string, valueWei: bigint): IntentRecord => ({
  intentId,
  to: market,
  data: '0x12345678',
  valueWei,
  sender: account,
  status: 'stored',
  nonce: null,
  attempts: [],
  minedHash: null,
  minedBlock: null,
  gasUsed: null,
  failure: null,
});
const reasonOf = (outcomes: readonly IntentOutcome[]): (string | null)[] =>
  outcomes.map((outcome) => ('reason' in outcome ? outcome.reason : null));

/** A desk whose chain never answers: what the policy allows is `unavailable`, the rest `not allowed`. */
async function openDesk(lease: SignerLease, store: MemoryIntentStore): Promise<SigningDesk> {
  return SigningDesk.open({
    provider: new JsonRpcProvider('http://127.0.0.1:1', 1, { staticNetwork: true }),
    keys: [key],
    store,
    lease,
    policy: {
      allow: [{ to: market, selector: '0x12345678', name: 'bid', maxValueWei: String(limitWei) }],
      dailyValueWei: String(limitWei),
    },
    logger: silent,
    errorAbi: [],
  });
}

test("a signer that takes over counts what the other one has spent within the day's limit", async () => {
  const store = new MemoryIntentStore();
  let term = 1;
  const lease = {
    assertHeld: () => Promise.resolve(),
    get term() {
      return term;
    },
  };
  const desk = await openDesk(lease, store);
  expect(reasonOf(await desk.submit([request('a', 40n)]))).toEqual(['unavailable']);
  // Another one holds the lease for a while and spends.
  await store.insertIfAbsent(spent('b', 50n));
  term = 3;
  const outcomes = await Promise.all([desk.submit([request('c', 20n)]), desk.submit([request('d', 10n)])]);
  expect(outcomes.map(reasonOf)).toEqual([['not allowed'], ['unavailable']]);
  expect(reasonOf(await desk.submit([request('e', 1n)]))).toEqual(['not allowed']);
  // Asked for again, neither is a second payment.
  expect(reasonOf(await desk.submit([request('a', 40n), request('b', 50n)]))).toEqual(['unavailable', 'unavailable']);
});

test('without the lease nothing is counted or stored: the caller asks another signer', async () => {
  const store = new MemoryIntentStore();
  const held = { now: false };
  const lease = {
    assertHeld: () => (held.now ? Promise.resolve() : Promise.reject(new LeaseLostError('this signer'))),
    get term() {
      return held.now ? 1 : null;
    },
  };
  const desk = await openDesk(lease, store);
  expect(reasonOf(await desk.submit([request('a', limitWei), request('b', 1n)]))).toEqual([
    'unavailable',
    'unavailable',
  ]);
  expect(await store.get('a')).toBeNull();
  held.now = true;
  expect(reasonOf(await desk.submit([request('b', limitWei)]))).toEqual(['unavailable']);
});
