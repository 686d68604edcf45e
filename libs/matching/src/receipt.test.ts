import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { makeOffer, makePool, noon, oneEther } from '../test/match-builders.ts';
import { idle } from './capacity.ts';
import { match } from './match.ts';
import { InvalidReceiptError, makeReceipt, type MatchReceipt, replayReceipt } from './receipt.ts';

/** As it comes out of the database or the API. */
const stored = (receipt: MatchReceipt): MatchReceipt => JSON.parse(JSON.stringify(receipt)) as MatchReceipt;
const agrees = { inputsAgree: true, decisionAgrees: true };

function receiptsOf(offers: number, pools = ['a', 'b', 'c']): MatchReceipt[] {
  const decisions = match(
    Array.from({ length: offers }, (_, index) => makeOffer({ id: index + 1 })),
    pools.map((id, index) => makePool({ id, floorPriceWeiPerGpuHour: (oneEther * BigInt(index + 4)) / 10n })),
    noon,
  );
  return decisions.map((decision) => stored(makeReceipt(decision, noon)));
}

test('a receipt replays from what it holds, alone', () => {
  const [receipt] = receiptsOf(1);
  expect(receipt?.chosen).toEqual({ poolId: 'a', priceWei: String((4n * oneEther) / 10n) });
  expect(receipt === undefined ? null : replayReceipt(receipt)).toEqual(agrees);
});

test('a receipt replays without the earlier offers of its batch, which are part of the load that it shows', () => {
  const receipts = receiptsOf(6);
  // The cheap pool is full after the first, so later offers go elsewhere: only its load explains it.
  expect(receipts.map(({ chosen }) => chosen?.poolId)).toEqual(['a', 'a', 'b', 'b', 'c', 'c']);
  for (const receipt of receipts) expect(replayReceipt(receipt)).toEqual(agrees);
  const full = receipts[5]?.inputs.pools.find(({ id }) => id === 'a')?.load;
  expect(full).toMatchObject({ jobs: 2, promisedSlotSeconds: 7_200 });
});

test('a receipt does not grow with what its pools have promised', () => {
  const receiptOf = (offers: number): MatchReceipt | undefined => {
    const pool = makePool({
      gpuCount: 64,
      cpuMilli: 64_000,
      memoryMiB: 262_144,
      maxParallelJobs: 10_000,
      freeStakeWei: 10_000n * oneEther,
    });
    const all = Array.from({ length: offers }, (_, index) => makeOffer({ id: index + 1 }));
    const decision = match(all, [pool], noon).at(-1);
    return decision === undefined ? undefined : stored(makeReceipt(decision, noon));
  };
  const [first, later] = [receiptOf(1), receiptOf(60)];
  expect(later?.inputs.pools[0]?.load.jobs).toBe(59);
  expect(JSON.stringify(later).length).toBeLessThan(JSON.stringify(first).length + 50);
  expect(later === undefined ? null : replayReceipt(later)).toEqual(agrees);
});

test('without the load a replay comes to another choice and says so', () => {
  const receipt = receiptsOf(6)[5];
  if (receipt === undefined) throw new Error('there are six');
  const forged = {
    ...receipt,
    inputs: { ...receipt.inputs, pools: receipt.inputs.pools.map((pool) => ({ ...pool, load: idle })) },
  };
  expect(replayReceipt(forged)).toEqual({ inputsAgree: false, decisionAgrees: false });
});

test('more pools than are listed: the choice replays all the same', () => {
  const ids = Array.from({ length: 400 }, (_, index) => `pool-${String(index).padStart(3, '0')}`);
  const pools = ids.map((id, index) =>
    makePool({ id, floorPriceWeiPerGpuHour: BigInt(index + 1), paused: index < 300, gpuMemoryMiB: 24_576 }),
  );
  const [decision] = match([makeOffer()], pools, noon);
  if (decision === undefined) throw new Error('one offer, one decision');
  const receipt = stored(makeReceipt(decision, noon));
  expect(receipt.chosen?.poolId).toBe('pool-300');
  expect(receipt.rejectedNotListed).toBe(299);
  expect(receipt.rejectedByReason).toEqual({ POOL_PAUSED: 300, DEARER_THAN_CHOSEN: 99 });
  expect(replayReceipt(receipt)).toEqual(agrees);
  expect(JSON.stringify(receipt).length).toBeLessThan(100_000);
});

describe('a receipt that was changed', () => {
  const changes: [string, (receipt: MatchReceipt) => void, ReturnType<typeof replayReceipt>][] = [
    ['another price', (r) => (r.chosen = { poolId: 'a', priceWei: '1' }), { inputsAgree: true, decisionAgrees: false }],
    ['another pool', (r) => (r.chosen = { poolId: 'b', priceWei: '1' }), { inputsAgree: true, decisionAgrees: false }],
    [
      'a reason',
      (r) => (r.rejected[0] = { poolId: 'b', reasons: ['POOL_PAUSED'], priceWei: '500000000000000000' }),
      { inputsAgree: true, decisionAgrees: false },
    ],
    ['the time', (r) => (r.decidedAt = '2026-03-03T12:00:01.000Z'), { inputsAgree: false, decisionAgrees: true }],
    [
      'a figure of a pool',
      (r) => Object.assign(r.inputs.pools[0] ?? {}, { cpuMilli: 9_000 }),
      { inputsAgree: false, decisionAgrees: true },
    ],
    [
      'a pool left out',
      (r) => Object.assign(r.inputs, { pools: r.inputs.pools.slice(1) }),
      { inputsAgree: false, decisionAgrees: false },
    ],
  ];
  test.each(changes)('%s is noticed', (_, change, expected) => {
    const [receipt] = receiptsOf(1);
    if (receipt === undefined) throw new Error('one offer, one receipt');
    change(receipt);
    expect(replayReceipt(receipt)).toEqual(expected);
  });

  test('any change to any figure of the inputs is noticed', () => {
    const [receipt] = receiptsOf(1);
    if (receipt === undefined) throw new Error('one offer, one receipt');
    fc.assert(
      fc.property(
        fc.nat(2),
        fc.constantFrom('gpuCount', 'gpuMemoryMiB', 'memoryMiB', 'marginBps'),
        fc.integer({ min: 1, max: 1_000 }),
        (index, figure, by) => {
          const changed = stored(receipt);
          const pool = changed.inputs.pools[index] as unknown as Record<string, number>;
          pool[figure] = (pool[figure] ?? 0) + by;
          expect(replayReceipt(changed).inputsAgree).toBe(false);
        },
      ),
    );
  });

  test('nonsense is refused with a typed error', () => {
    const [receipt] = receiptsOf(1);
    for (const nonsense of [
      {},
      { ...receipt, inputs: { offer: {}, pools: 3 } },
      { ...receipt, decidedAt: 'yesterday' },
    ])
      expect(() => replayReceipt(nonsense as MatchReceipt)).toThrow(InvalidReceiptError);
  });
});
