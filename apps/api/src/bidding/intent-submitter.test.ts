import { describe, expect, test } from '@jest/globals';
import type { IntentAnswer, IntentFailure, IntentOutcome, IntentRequest } from '../signer/protocol.ts';
import { SignerUnavailableError } from '../signer/signer-client.ts';
import { IntentSubmitter } from './intent-submitter.ts';

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined };
const request = (intentId: string): IntentRequest => ({
  intentId,
  account: `0x${'1'.repeat(40)}`,
  to: `0x${'2'.repeat(40)}`,
  data: '0x',
  valueWei: '0',
});

/** A signer whose answers a test sets, and a clock that it turns. */
function setUp(answer: (intentId: string) => Partial<IntentAnswer> | Partial<IntentFailure>): {
  submitter: IntentSubmitter;
  asked: string[][];
  clock: { ms: number };
} {
  const asked: string[][] = [];
  const clock = { ms: 0 };
  const submitMany = (requests: readonly IntentRequest[]): Promise<IntentOutcome[]> => {
    asked.push(requests.map(({ intentId }) => intentId));
    return Promise.resolve(
      requests.map(({ intentId }) => {
        const given = answer(intentId);
        return 'reason' in given
          ? ({ intentId, error: 'no', ...given } as IntentFailure)
          : ({ intentId, status: 'signed', hash: null, gasUsed: null, failure: null, ...given } as IntentAnswer);
      }),
    );
  };
  return {
    submitter: new IntentSubmitter({ signer: { submitMany }, logger: silent, now: () => clock.ms }),
    asked,
    clock,
  };
}

describe('submitting intents', () => {
  test('all of a look are one request, each once', async () => {
    const { submitter, asked } = setUp(() => ({}));
    expect(await submitter.submit([request('a'), request('b'), request('a')])).toEqual([
      'accepted',
      'accepted',
      'accepted',
    ]);
    expect(asked).toEqual([['a', 'b']]);
  });

  test('what the account cannot pay for is told apart, and tried again soon', async () => {
    const { submitter, asked, clock } = setUp(() => ({ reason: 'insufficient funds' }));
    expect(await submitter.submit([request('a')])).toEqual(['unfunded']);
    clock.ms = 999;
    expect(await submitter.submit([request('a')])).toEqual(['waiting']);
    clock.ms = 1_000;
    expect(await submitter.submit([request('a')])).toEqual(['unfunded']);
    expect(asked).toEqual([['a'], ['a']]);
  });

  test('what the signer has is not submitted with every look', async () => {
    const { submitter, asked, clock } = setUp(() => ({}));
    await submitter.submit([request('a')]);
    clock.ms = 9_999;
    expect(await submitter.submit([request('a')])).toEqual(['waiting']);
    clock.ms = 10_000;
    expect(await submitter.submit([request('a')])).toEqual(['accepted']);
    expect(asked).toHaveLength(2);
  });

  test('a refused one waits longer each time', async () => {
    const { submitter, asked, clock } = setUp(() => ({ reason: 'reverts' as const }));
    const times: number[] = [];
    for (; clock.ms <= 16_000; clock.ms += 500) {
      const before = asked.length;
      await submitter.submit([request('a')]);
      if (asked.length > before) times.push(clock.ms);
    }
    expect(times).toEqual([0, 1_000, 3_000, 7_000, 15_000]);
  });

  test('one that was mined and reverted is tried again under a new id, a bounded number of times', async () => {
    const { submitter, asked, clock } = setUp(() => ({ status: 'reverted' as const }));
    for (; clock.ms < 60_000; clock.ms += 1_000) await submitter.submit([request('a')]);
    expect(asked.flat()).toEqual(['a', 'a#1', 'a#2', 'a#3', 'a#4', 'a#5']);
  });

  test('one that is unavailable is submitted again with the next look, the others are not', async () => {
    const { submitter, asked } = setUp((intentId) => (intentId === 'b' ? { reason: 'unavailable' as const } : {}));
    expect(await submitter.submit([request('a'), request('b')])).toEqual(['accepted', 'unavailable']);
    await submitter.submit([request('a'), request('b')]);
    expect(asked).toEqual([['a', 'b'], ['b']]);
  });

  test('a signer that is gone is an outcome, not an exception', async () => {
    const submitter = new IntentSubmitter({
      signer: { submitMany: () => Promise.reject(new SignerUnavailableError('gone')) },
      logger: silent,
    });
    expect(await submitter.submit([request('a')])).toEqual(['unavailable']);
  });
});
