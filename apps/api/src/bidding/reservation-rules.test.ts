import { expect, test } from '@jest/globals';
import type { OfferView } from '../indexing/fold-offer.ts';
import { isStakeLocked, startRange } from './reservation-rules.ts';

const us = '0xA1';
const offer = (state: OfferView['state'], trainer: string | null): OfferView =>
  ({
    state,
    trainer,
    deadline: 10_000,
    terms: { startWindow: 60, trainingWindow: 600 },
    bids: [],
  }) as unknown as OfferView;

test('while there is bidding a job may start late: two better bidders may let their start windows pass', () => {
  expect(startRange(offer('Bidding', null), us)).toEqual({ startsFrom: 10_000, startsBy: 10_180 });
});

test('the winner starts within his start window, the next best after it', () => {
  expect(startRange(offer('Awarded', us.toLowerCase()), us)).toEqual({ startsFrom: 9_940, startsBy: 10_000 });
  expect(startRange(offer('Awarded', '0xb2'), us)).toEqual({ startsFrom: 10_000, startsBy: 10_120 });
});

test('a job that has started has started', () => {
  expect(startRange(offer('Training', us), us)).toEqual({ startsFrom: 9_400, startsBy: 9_400 });
});

test('stake is promised by a bid and locked by the award', () => {
  expect(isStakeLocked(offer('Bidding', null), us)).toBe(false);
  expect(isStakeLocked(offer('Awarded', '0xb2'), us)).toBe(false);
  expect(isStakeLocked(offer('Awarded', '0xa1'), us)).toBe(true);
  expect(isStakeLocked(offer('Committed', us), us)).toBe(true);
});
