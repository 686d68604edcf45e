import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { makeOffer, makePool, noon, oneEther } from '../test/match-builders.ts';
import { loadOf } from './capacity.ts';
import { match, matchPair, minValidationFeeBps } from './match.ts';
import { quoteWei } from './price.ts';
import { type MatchOffer, type MatchPool, type RejectionReason, rejectionReasons } from './types.ts';

const evening = { days: ['tue' as const], start: '20:00', durationMinutes: 480, timeZone: 'UTC' };
const lunch = { days: ['tue' as const], start: '12:00', durationMinutes: 60, timeZone: 'UTC' };
const token = `0x${'a'.repeat(40)}`;

interface Case {
  name: string;
  offer?: Partial<MatchOffer>;
  pool?: Partial<MatchPool>;
  reasons: RejectionReason[];
}
const cases: Case[] = [
  { name: 'a pool that has everything bids', reasons: [] },
  { name: 'an offer that is still being funded', offer: { bidding: false }, reasons: ['OFFER_NOT_BIDDING'] },
  { name: 'an offer whose JobSpec nobody can read', offer: { specValid: false }, reasons: ['SPEC_INVALID'] },
  {
    name: 'an offer that pays the validators nothing',
    offer: { validationFeeWei: 0n },
    reasons: ['VALIDATION_FEE_TOO_LOW'],
  },
  {
    name: 'a fee one wei below a thousandth of the reward',
    offer: { validationFeeWei: oneEther / 1_000n - 1n },
    reasons: ['VALIDATION_FEE_TOO_LOW'],
  },
  { name: 'a fee of a thousandth of the reward', offer: { validationFeeWei: oneEther / 1_000n }, reasons: [] },
  {
    name: 'a fee in a token is as large a part of its reward',
    offer: { token, rewardWei: oneEther, validationFeeWei: oneEther / 1_000n - 1n },
    pool: { tokens: [token] },
    reasons: ['VALIDATION_FEE_TOO_LOW'],
  },
  { name: 'a pool whose bid was refused a moment ago', offer: { refusedPoolIds: ['pool'] }, reasons: ['BID_REFUSED'] },
  { name: 'a pool, where the bid of another was refused', offer: { refusedPoolIds: ['other'] }, reasons: [] },
  { name: 'a pool whose owner paused it', pool: { paused: true }, reasons: ['POOL_PAUSED'] },
  { name: 'a job for the exact runtime', offer: { runtime: 'exact/1' }, reasons: ['RUNTIME_UNSUPPORTED'] },
  { name: 'a job for native TensorFlow only', offer: { backends: ['tfjs-node'] }, reasons: ['BACKEND_UNSUPPORTED'] },
  { name: 'one backend of several is enough', offer: { backends: ['tfjs-node-gpu', 'cpu'] }, reasons: [] },
  { name: 'a reward in a token that the pool does not take', offer: { token }, reasons: ['TOKEN_NOT_ACCEPTED'] },
  {
    name: 'a token whose address the pool wrote in capitals',
    offer: { token },
    pool: { tokens: [token.toUpperCase().replace('0X', '0x')] },
    reasons: [],
  },
  { name: 'a job for two GPUs on one', offer: { gpuCount: 2 }, reasons: ['GPU_COUNT_TOO_SMALL'] },
  { name: 'a job that needs one MiB more', offer: { gpuMemoryMiB: 24_577 }, reasons: ['GPU_MEMORY_TOO_SMALL'] },
  { name: 'a job that needs exactly the memory there is', offer: { gpuMemoryMiB: 24_576 }, reasons: [] },
  { name: 'a job for more processor', offer: { cpuMilli: 8_001 }, reasons: ['CPU_TOO_SMALL'] },
  { name: 'a job for more memory', offer: { memoryMiB: 65_537 }, reasons: ['MEMORY_TOO_SMALL'] },
  { name: 'a pool that opens in the evening', pool: { windows: [evening] }, reasons: ['OUTSIDE_AVAILABILITY'] },
  {
    name: 'a pool that is closed now and open when the bidding ends',
    pool: { windows: [{ ...lunch, start: '12:05', durationMinutes: 240 }] },
    reasons: [],
  },
  { name: 'a pool that closes before the job is done', pool: { windows: [lunch] }, reasons: ['DEADLINE_UNREACHABLE'] },
  {
    name: 'a job longer than its training window',
    offer: { gpuSeconds: 7_201, rewardWei: 2n * oneEther },
    reasons: ['DEADLINE_UNREACHABLE'],
  },
  {
    name: 'a job that just fits its training window',
    offer: { gpuSeconds: 7_200, rewardWei: 2n * oneEther },
    reasons: [],
  },
  {
    name: 'two GPUs halve the time',
    offer: { gpuCount: 2, gpuSeconds: 14_400, rewardWei: 2n * oneEther },
    pool: { gpuCount: 2 },
    reasons: [],
  },
  { name: 'a wallet without enough free stake', pool: { freeStakeWei: oneEther - 1n }, reasons: ['STAKE_TOO_LOW'] },
  {
    name: 'a pool with as many bids as it may have',
    pool: { maxParallelJobs: 0 },
    reasons: ['CAPACITY_EXHAUSTED'],
  },
  {
    name: 'a pool whose other job would make this one late',
    pool: { load: loadOf({ gpuCount: 1 }, [{ slots: 1, gpuCount: 1, gpuSeconds: 3_601, limitSeconds: 36_000 }]) },
    reasons: ['CAPACITY_EXHAUSTED'],
  },
  {
    name: 'a pool whose other job would be made late by this one, if it is awarded later',
    pool: { load: loadOf({ gpuCount: 1 }, [{ slots: 1, gpuCount: 1, gpuSeconds: 600, limitSeconds: 4_199 }]) },
    reasons: ['CAPACITY_EXHAUSTED'],
  },
  {
    name: 'a pool that can do both, one after the other, in either order',
    pool: { load: loadOf({ gpuCount: 1 }, [{ slots: 1, gpuCount: 1, gpuSeconds: 600, limitSeconds: 4_200 }]) },
    reasons: [],
  },
  {
    name: 'a pool with a GPU to spare, whatever the other one does',
    pool: {
      gpuCount: 2,
      load: loadOf({ gpuCount: 2 }, [{ slots: 1, gpuCount: 1, gpuSeconds: 90_000, limitSeconds: 90_000 }]),
    },
    reasons: [],
  },
  { name: 'a reward below the floor price', offer: { rewardWei: oneEther / 2n - 1n }, reasons: ['PRICE_BELOW_FLOOR'] },
  {
    name: 'a reward that covers the floor price but not the margin',
    offer: { rewardWei: oneEther / 2n },
    pool: { marginBps: 1 },
    reasons: ['PRICE_ABOVE_REWARD'],
  },
  { name: 'a reward of exactly the price', offer: { rewardWei: oneEther / 2n }, reasons: [] },
  {
    name: 'all reasons are named, not only the first',
    offer: { gpuMemoryMiB: 30_000, rewardWei: 1n },
    pool: { paused: true, freeStakeWei: 0n },
    reasons: ['POOL_PAUSED', 'GPU_MEMORY_TOO_SMALL', 'STAKE_TOO_LOW', 'PRICE_BELOW_FLOOR'],
  },
];

describe('one offer and one pool', () => {
  test.each(cases)('$name', ({ offer, pool, reasons }) => {
    const decision = matchPair(makeOffer(offer), makePool(pool), noon);
    expect('reasons' in decision ? decision.reasons : []).toEqual(reasons);
  });

  test('every reason has a case', () => {
    const named = new Set(cases.flatMap(({ reasons }) => reasons));
    expect(rejectionReasons.filter((reason) => !named.has(reason))).toEqual(['DEARER_THAN_CHOSEN']);
  });
});

describe('the validation fee', () => {
  test('is refused exactly when it is a smaller part of the reward than the least', () => {
    const amount = fc.bigInt({ min: 1n, max: 10n ** 30n });
    fc.assert(
      fc.property(amount, fc.bigInt({ min: 0n, max: 10n ** 27n }), (rewardWei, validationFeeWei) => {
        const decision = matchPair(makeOffer({ rewardWei, validationFeeWei }), makePool(), noon);
        const refused = 'reasons' in decision && decision.reasons.includes('VALIDATION_FEE_TOO_LOW');
        // Rounded up: a fraction of a wei is missing too.
        const leastWei = (rewardWei * minValidationFeeBps + 9_999n) / 10_000n;
        expect(refused).toBe(validationFeeWei < leastWei);
      }),
    );
  });
});

describe('several pools', () => {
  test('one whose bid was refused leaves the offer to the next cheapest', () => {
    const pools = [makePool({ id: 'cheap', floorPriceWeiPerGpuHour: oneEther / 10n }), makePool({ id: 'dear' })];
    const [decision] = match([makeOffer({ refusedPoolIds: ['cheap'] })], pools, noon);
    expect(decision?.chosen?.pool.id).toBe('dear');
    expect(decision?.rejected.map(({ pool, reasons }) => [pool.id, reasons])).toEqual([['cheap', ['BID_REFUSED']]]);
  });

  test('the cheapest wins, and the others are told how dear they were', () => {
    const pools = [3n, 1n, 2n].map((price) =>
      makePool({ id: `at-${String(price)}`, floorPriceWeiPerGpuHour: (price * oneEther) / 10n }),
    );
    const [decision] = match([makeOffer()], pools, noon);
    expect(decision?.chosen).toMatchObject({ pool: { id: 'at-1' }, priceWei: oneEther / 10n });
    expect(decision?.rejected.map(({ pool, priceWei, reasons }) => [pool.id, priceWei, reasons])).toEqual([
      ['at-2', oneEther / 5n, ['DEARER_THAN_CHOSEN']],
      ['at-3', (3n * oneEther) / 10n, ['DEARER_THAN_CHOSEN']],
    ]);
    expect(decision?.rejectedByReason).toEqual({ DEARER_THAN_CHOSEN: 2 });
  });

  test('a tie goes to the smaller id', () => {
    const [decision] = match([makeOffer()], [makePool({ id: 'b' }), makePool({ id: 'a' })], noon);
    expect(decision?.chosen?.pool.id).toBe('a');
  });

  test('pools of one wallet share its stake', () => {
    const pools = ['a', 'b'].map((id) => makePool({ id, freeStakeWei: oneEther }));
    const decisions = match([makeOffer({ id: 1 }), makeOffer({ id: 2 })], pools, noon);
    expect(decisions[1]?.chosen).toBeNull();
    expect(decisions[1]?.rejectedByReason).toMatchObject({ STAKE_TOO_LOW: 2 });
  });

  test('ten thousand pools are counted, a hundred are listed', () => {
    const pools = Array.from({ length: 10_000 }, (_, index) =>
      makePool({ id: String(index), gpuMemoryMiB: index % 2 === 0 ? 1 : 24_576, paused: true }),
    );
    const [decision] = match([makeOffer()], pools, noon);
    expect(decision?.rejected).toHaveLength(100);
    expect(decision?.rejectedCount).toBe(10_000);
    expect(decision?.rejectedByReason).toEqual({ POOL_PAUSED: 10_000, GPU_MEMORY_TOO_SMALL: 5_000 });
  });

  test('no pools and no offers are no problem', () => {
    expect(match([], [makePool()], noon)).toEqual([]);
    expect(match([makeOffer()], [], noon)).toMatchObject([{ chosen: null, rejectedCount: 0 }]);
  });
});

const offers = fc
  .array(
    fc.record({
      gpuCount: fc.integer({ min: 0, max: 4 }),
      gpuMemoryMiB: fc.constantFrom(0, 8_192, 40_000),
      gpuSeconds: fc.integer({ min: 1, max: 20_000 }),
      trainingWindow: fc.integer({ min: 1, max: 40_000 }),
      rewardWei: fc.bigInt({ min: 1n, max: 4n * oneEther }),
      minStakeWei: fc.bigInt({ min: 0n, max: 4n * oneEther }),
      bidding: fc.boolean(),
    }),
    { maxLength: 12 },
  )
  .map((list) => list.map((changes, index) => makeOffer({ id: index + 1, ...changes })));
const pools = fc
  .array(
    fc.record({
      gpuCount: fc.integer({ min: 0, max: 8 }),
      floorPriceWeiPerGpuHour: fc.bigInt({ min: 0n, max: oneEther }),
      marginBps: fc.integer({ min: 0, max: 20_000 }),
      maxParallelJobs: fc.integer({ min: 1, max: 5 }),
      freeStakeWei: fc.bigInt({ min: 0n, max: 9n * oneEther }),
      windows: fc.constantFrom([], [lunch], [evening]),
      wallet: fc.constantFrom('0x1', '0x2', '0x3'),
    }),
    { maxLength: 8 },
  )
  .map((list) => list.map((changes, index) => makePool({ id: `pool-${String(index)}`, ...changes })));

describe('whatever the offers and pools', () => {
  test('their order makes no difference, and neither does asking twice', () => {
    fc.assert(
      fc.property(offers, pools, fc.infiniteStream(fc.nat()), (someOffers, somePools, random) => {
        const shuffle = <T>(list: readonly T[]): T[] =>
          list
            .map((item) => ({ item, key: random.next().value as number }))
            .sort((a, b) => a.key - b.key)
            .map(({ item }) => item);
        const first = match(someOffers, somePools, noon);
        expect(match(shuffle(someOffers), shuffle(somePools), noon)).toEqual(first);
        expect(match(someOffers, somePools, noon)).toEqual(first);
      }),
    );
  });

  test('every pool is chosen or counted with a reason, and no other pool that fits is cheaper', () => {
    fc.assert(
      fc.property(offers, pools, (someOffers, somePools) => {
        for (const decision of match(someOffers, somePools, noon)) {
          expect(decision.rejectedCount + (decision.chosen === null ? 0 : 1)).toBe(somePools.length);
          for (const { reasons, priceWei } of decision.rejected) {
            expect(reasons.length).toBeGreaterThan(0);
            if (reasons.includes('DEARER_THAN_CHOSEN'))
              expect(priceWei).toBeGreaterThanOrEqual(decision.chosen?.priceWei ?? 0n);
          }
          // An explanation of a single pair says the same as the decision over all of them.
          for (const { pool, reasons } of decision.rejected) {
            const pair = matchPair(decision.offer, pool, noon);
            expect('reasons' in pair ? pair.reasons : ['DEARER_THAN_CHOSEN']).toEqual(reasons);
          }
        }
      }),
    );
  });

  test('a price is never below the floor price and never above the reward', () => {
    fc.assert(
      fc.property(offers, pools, (someOffers, somePools) => {
        for (const { offer, chosen } of match(someOffers, somePools, noon)) {
          if (chosen === null) continue;
          const { pool, priceWei } = chosen;
          expect(priceWei * 3_600n).toBeGreaterThanOrEqual(pool.floorPriceWeiPerGpuHour * BigInt(offer.gpuSeconds));
          expect(priceWei).toBeLessThanOrEqual(offer.rewardWei);
          expect(priceWei).toBe(quoteWei(pool, offer.gpuSeconds));
        }
      }),
    );
  });

  test('a wallet never promises more stake than it has', () => {
    fc.assert(
      fc.property(offers, pools, (someOffers, somePools) => {
        // One wallet has one stake.
        const stakes = new Map(somePools.map(({ wallet, freeStakeWei }) => [wallet, freeStakeWei]));
        const consistent = somePools.map((pool) => ({ ...pool, freeStakeWei: stakes.get(pool.wallet) ?? 0n }));
        for (const { offer, chosen } of match(someOffers, consistent, noon)) {
          if (chosen === null) continue;
          const left = (stakes.get(chosen.pool.wallet) ?? 0n) - offer.minStakeWei;
          expect(left).toBeGreaterThanOrEqual(0n);
          stakes.set(chosen.pool.wallet, left);
        }
      }),
    );
  });
});
