import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { makeOffer, makePool, noon, oneEther } from '../test/match-builders.ts';
import { durationOf, loadOf, slotsFor, slotsOf } from './capacity.ts';
import { match } from './match.ts';
import { limitSeconds, OpenHours } from './open-hours.ts';
import type { MatchOffer, MatchPool, MatchReservation } from './types.ts';

const second = 1_000;
const startSeconds = noon.getTime() / second;

/** What happens to an offer that the pool bids for. */
interface Fate {
  offer: MatchOffer;
  /** When it is matched, in seconds after noon. */
  matchedAt: number;
  /** Awarded at this fraction of the time between the earliest and the latest start; lost then when not `won`. */
  awardedAt: number;
  won: boolean;
  /** Seconds between its end and its settlement. */
  settledAfter: number;
}

const fates = fc
  .array(
    fc.record({
      matchedAt: fc.integer({ min: 0, max: 30_000 }),
      bidWindow: fc.integer({ min: 1, max: 4_000 }),
      startWindow: fc.integer({ min: 0, max: 2_000 }),
      gpuCount: fc.integer({ min: 0, max: 4 }),
      cpuMilli: fc.integer({ min: 1, max: 8_000 }),
      memoryMiB: fc.integer({ min: 1, max: 65_536 }),
      gpuSeconds: fc.integer({ min: 1, max: 20_000 }),
      trainingWindow: fc.integer({ min: 100, max: 30_000 }),
      awardedAt: fc.double({ min: 0, max: 1, noNaN: true }),
      won: fc.boolean(),
      settledAfter: fc.integer({ min: 0, max: 10_000 }),
    }),
    { minLength: 1, maxLength: 40 },
  )
  .map((list) =>
    list.map(({ matchedAt, bidWindow, startWindow, awardedAt, won, settledAfter, ...job }, index): Fate => {
      const startsFrom = startSeconds + matchedAt + bidWindow;
      const offer = makeOffer({ id: index + 1, startsFrom, startsBy: startsFrom + 3 * startWindow, ...job });
      return {
        offer: { ...offer, rewardWei: 100n * oneEther, validationFeeWei: oneEther, minStakeWei: 0n },
        matchedAt,
        awardedAt,
        won,
        settledAfter,
      };
    }),
  );
const pools = fc.record({
  gpuCount: fc.integer({ min: 0, max: 4 }),
  cpuMilli: fc.integer({ min: 4_000, max: 16_000 }),
  memoryMiB: fc.integer({ min: 32_768, max: 131_072 }),
  maxParallelJobs: fc.integer({ min: 1, max: 6 }),
  windows: fc.constantFrom<MatchPool['windows'][]>(
    [],
    [{ days: ['tue', 'wed'], start: '11:00', durationMinutes: 600, timeZone: 'Europe/Berlin' }],
  ),
});

/**
 * Plays the fates on one pool with a scheduler that starts whatever fits, in an order that the jobs cannot choose, and
 * returns what was late or overbooked.
 */
function play(pool: MatchPool, list: readonly Fate[], newestFirst: boolean, slots = slotsOf(pool)): string[] {
  const complaints: string[] = [];
  const held = new Map<number, MatchReservation>();
  const waiting: { fate: Fate; awarded: number }[] = [];
  let busy = 0;
  const running = new Set<MatchOffer>();
  const events: { at: number; order: number; run: (at: number) => void }[] = [];
  const schedule = (at: number, run: (at: number) => void): void => {
    events.push({ at, order: events.length, run });
  };
  const startWhatFits = (at: number): void => {
    for (const job of newestFirst ? [...waiting].reverse() : [...waiting]) {
      const { offer } = job.fate;
      const needed = slotsFor(offer, pool);
      if (busy + needed > slots) continue;
      waiting.splice(waiting.indexOf(job), 1);
      busy += needed;
      running.add(offer);
      for (const resource of ['gpuCount', 'cpuMilli', 'memoryMiB'] as const) {
        const taken = [...running].reduce((sum, each) => sum + each[resource], 0);
        if (taken > pool[resource]) complaints.push(`${String(taken)} of ${String(pool[resource])} ${resource} taken`);
      }
      schedule(at + durationOf(offer), (end) => {
        busy -= needed;
        running.delete(offer);
        const hours = new OpenHours(pool.windows, job.awarded, end + 1);
        const due = Math.min(job.awarded + offer.trainingWindow, hours.openUntil(job.awarded) ?? -Infinity);
        if (end > due + 1e-6)
          complaints.push(`offer ${String(offer.id)} ended at ${String(end)}, due at ${String(due)}`);
        schedule(end + job.fate.settledAfter, () => held.delete(offer.id));
        startWhatFits(end);
      });
    }
  };
  for (const fate of list) {
    const { offer } = fate;
    schedule(startSeconds + fate.matchedAt, (at) => {
      const [decision] = match([offer], [{ ...pool, load: loadOf(pool, [...held.values()]) }], new Date(at * second));
      if (decision?.chosen == null) return;
      const hours = new OpenHours(pool.windows, offer.startsFrom, offer.startsBy + offer.trainingWindow);
      held.set(offer.id, {
        slots: slotsFor(offer, pool),
        gpuCount: offer.gpuCount,
        gpuSeconds: offer.gpuSeconds,
        limitSeconds: limitSeconds(offer, hours) ?? 0,
      });
      if (held.size > pool.maxParallelJobs) complaints.push(`${String(held.size)} bids and jobs at once`);
      schedule(offer.startsFrom + fate.awardedAt * (offer.startsBy - offer.startsFrom), (awarded) => {
        if (fate.won) waiting.push({ fate, awarded });
        else held.delete(offer.id);
        startWhatFits(awarded);
      });
    });
  }
  while (events.length > 0) {
    events.sort((a, b) => a.at - b.at || a.order - b.order);
    const next = events.shift();
    next?.run(next.at);
  }
  if (waiting.length > 0) complaints.push(`${String(waiting.length)} jobs never ran`);
  return complaints;
}

test('a pool finishes all that it wins in time, whatever is awarded, lost and settled when', () => {
  let won = 0;
  fc.assert(
    fc.property(pools, fates, fc.boolean(), (changes, list, newestFirst) => {
      won += list.filter((fate) => fate.won).length;
      expect(play(makePool(changes), list, newestFirst)).toEqual([]);
    }),
    { numRuns: 1_000 },
  );
  expect(won).toBeGreaterThan(1_000);
});

test('jobs side by side share processors and memory: what one takes beyond its GPU is missing to the others', () => {
  const pool = makePool({ gpuCount: 4, cpuMilli: 8_000, memoryMiB: 65_536, freeStakeWei: 100n * oneEther });
  const small = { gpuCount: 1, cpuMilli: 2_000, memoryMiB: 16_384 };
  expect(slotsFor(small, pool)).toBe(1);
  expect(slotsFor({ ...small, cpuMilli: 2_001 }, pool)).toBe(2);
  expect(slotsFor({ ...small, memoryMiB: 65_536 }, pool)).toBe(4);
  expect(slotsFor({ ...small, gpuCount: 3 }, pool)).toBe(3);
  const hungry = (id: number): MatchOffer =>
    makeOffer({ id, cpuMilli: 8_000, gpuSeconds: 3_600, trainingWindow: 4_000 });
  const decisions = match([hungry(1), hungry(2)], [pool], noon);
  expect(decisions.map(({ chosen }) => chosen?.pool.id)).toEqual(['pool', undefined]);
  expect(decisions[1]?.rejectedByReason).toEqual({ CAPACITY_EXHAUSTED: 1 });
});

test('the simulation notices a pool that has fewer GPUs than it said', () => {
  const fate = (id: number): Fate => ({
    offer: makeOffer({ id, gpuSeconds: 7_200, rewardWei: 100n * oneEther, validationFeeWei: oneEther }),
    matchedAt: id,
    awardedAt: 0,
    won: true,
    settledAfter: 0,
  });
  const list = [fate(1), fate(2)];
  expect(play(makePool({ gpuCount: 2 }), list, false)).toEqual([]);
  expect(play(makePool({ gpuCount: 2 }), list, false, 1)).toHaveLength(1);
});
