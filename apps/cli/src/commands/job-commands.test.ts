import { expect, it } from '@jest/globals';
import { exitCodes } from '../client/errors.ts';
import { endOf } from './job-commands.ts';

it.each([
  ['Bidding', null, 'settled', null],
  ['Training', 'Running', 'settled', null],
  ['Committed', 'Done', 'settled', null],
  ['Paid', 'Done', 'settled', exitCodes.ok],
  ['Slashed', 'Done', 'settled', exitCodes.verificationFailed],
  ['Refunded', null, 'settled', exitCodes.failure],
  ['Cancelled', null, 'trained', exitCodes.failure],
  ['Training', 'Done', 'trained', exitCodes.ok],
  ['Committed', null, 'trained', exitCodes.ok],
  ['Training', 'Failed', 'trained', exitCodes.failure],
  ['Training', 'Failed', 'settled', null],
  ['Training', 'Stopped', 'trained', null],
] as const)('watching: an offer %s with job %s, until %s, ends with %s', (state, job, until, end) => {
  expect(endOf({ state }, job === null ? null : { state: job }, until)).toBe(end);
});
