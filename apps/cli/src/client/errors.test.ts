import { expect, it } from '@jest/globals';
import { CallRevertedError, ChainUnavailableError } from '@cotrain/chain';
import { InvalidReferenceError } from '@cotrain/protocol';
import { InvalidJobError, UnsupportedProgramError } from '@cotrain/training';
import { NotFoundError, StoreUnavailableError } from '@cotrain/swarm';
import { CommandError, exitCodes, explain } from './errors.ts';

it.each([
  ['a command', new CommandError(exitCodes.forbidden, 'no'), exitCodes.forbidden],
  ['a chain that is down', new ChainUnavailableError('eth_call', new Error('refused')), exitCodes.unavailable],
  ['a contract that refuses', new CallRevertedError('TooLate()', 'TooLate'), exitCodes.failure],
  ['a store that is down', new StoreUnavailableError('http://localhost', 'refused.'), exitCodes.unavailable],
  ['a reference that the store has not', new NotFoundError(`0x${'1'.repeat(64)}`), exitCodes.notFound],
  ['a program that nobody can train', new UnsupportedProgramError('no'), exitCodes.usage],
  ['a job that does not fit its dataset', new InvalidJobError('no'), exitCodes.usage],
  ['a wrong value', new InvalidReferenceError('--dataset', 'x'), exitCodes.usage],
])('has an exit code for the error of %s', (_, error, exitCode) => {
  expect(explain(error)).toEqual({ exitCode, message: error.message });
});

it('leaves what nobody foresaw to be shown whole', () => {
  expect(explain(new TypeError('a bug'))).toBeNull();
  expect(explain('text')).toBeNull();
});
