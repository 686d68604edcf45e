import { describe, expect, test } from '@jest/globals';
import type { RoundView } from '../indexing/fold-offer.ts';
import { isDutyOpen, isRevealing, mayVoteUnavailable, storePatienceSeconds } from './validation-rules.ts';

const at = (timestamp: number): { block: number; timestamp: number } => ({ block: 1, timestamp });
const round = (committed: boolean[], changes: Partial<RoundView> = {}): RoundView => ({
  round: 1,
  drawBlock: 1,
  validators: [],
  segments: [0],
  commitDeadline: 1_000,
  revealDeadline: 1_500,
  votes: committed.map((each) => ({ validator: '0x', committed: each, vote: null, evidence: null })),
  verdict: null,
  challenger: null,
  ...changes,
});

describe('a validator', () => {
  test('works on a vote until the commit deadline, and on revealing it until the reveal deadline', () => {
    expect(isDutyOpen(round([false]), false, at(1_000))).toBe(true);
    expect(isDutyOpen(round([false]), false, at(1_001))).toBe(false);
    expect(isDutyOpen(round([true]), true, at(1_500))).toBe(true);
    expect(isDutyOpen(round([true]), true, at(1_501))).toBe(false);
    expect(isDutyOpen(round([true], { verdict: 1 }), true, at(1))).toBe(false);
  });

  test('reveals when all have committed, or when committing is over, never before', () => {
    expect(isRevealing(round([true, true]), at(1))).toBe(true);
    expect(isRevealing(round([true, false]), at(1_000))).toBe(false);
    expect(isRevealing(round([true, false]), at(1_001))).toBe(true);
  });

  test('waits for a store that is away, but never so long that the vote comes too late', () => {
    expect(storePatienceSeconds(round([]), at(700))).toBe(100);
    expect(storePatienceSeconds(round([]), at(999))).toBe(1);
    expect(storePatienceSeconds(round([], { commitDeadline: 100_000 }), at(0))).toBe(600);
  });

  test('says unavailable only after several runs and half of the time', () => {
    expect(mayVoteUnavailable(round([]), 0, 2, at(999))).toBe(false);
    expect(mayVoteUnavailable(round([]), 0, 3, at(499))).toBe(false);
    expect(mayVoteUnavailable(round([]), 0, 3, at(500))).toBe(true);
  });
});
