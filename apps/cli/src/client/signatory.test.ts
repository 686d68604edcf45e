import { describe, expect, it } from '@jest/globals';
import { encodeCall, trainingMarketAbi } from '@cotrain/chain';
import { Wallet } from 'ethers';
import type { ApiClient, UnsignedTransaction } from './api-client.ts';
import { describeCall } from './describe-call.ts';
import { CommandError, exitCodes } from './errors.ts';
import { Signatory } from './signatory.ts';

const market = `0x${'aa'.repeat(20)}` as const;
const attacker = `0x${'bb'.repeat(20)}` as const;
const hash = `0x${'1'.repeat(64)}` as const;
const fund = (offerId: bigint): string =>
  encodeCall({ abi: trainingMarketAbi, functionName: 'fund', args: [offerId, hash] }).data;
const meant = { to: market, data: fund(7n), valueWei: 5n };
const prepared: UnsignedTransaction = { ...meant, valueWei: '5', chainId: 31_337, summary: 'Pay your share' };

/** A wallet without a chain: whatever is sent would fail otherwise than by a refusal. */
function signatory(consent?: (what: string) => Promise<void>): Signatory {
  const wallet = new Wallet(`0x${'1'.repeat(64)}`);
  wallet.signTransaction = () => {
    throw new Error('It was signed.');
  };
  return new Signatory({
    api: {} as ApiClient,
    wallet,
    contracts: () => Promise.resolve({ market, registry: market, quorum: market }),
    ...(consent === undefined ? {} : { consent }),
  });
}

describe('an account at an API that prepares something else', () => {
  it.each<[string, Partial<UnsignedTransaction>, RegExp]>([
    ['another contract', { to: attacker }, /prepared: 0xbbbb.* fund\(offerId: 7, .* with 0\.0{17}5 ETH/],
    ['another function', { data: '0x12345678' }, /prepared: 0xaaaa.* unknown function 0x12345678 with/],
    [
      'another offer',
      { data: fund(8n) },
      /meant: {4}0xaa.* fund\(offerId: 7, .*\n {2}prepared: 0xaa.* fund\(offerId: 8,/,
    ],
    ['more money', { valueWei: '10000000000000000000' }, /prepared: .* with 10 ETH/],
    [
      'nothing but the money',
      { to: attacker, data: '0x', valueWei: '10000000000000000000' },
      /unknown function 0x with 10/,
    ],
    ['more data', { data: `${prepared.data}00` }, /Nothing was signed/],
    ['no amount', { valueWei: '-5' }, /Nothing was signed/],
    ['escape codes', { to: '\u001b[2J', data: '\u001b[2J' }, /prepared: \?\?2J unknown function \?\?2J/],
  ])('signs nothing: %s', async (_, change, reason) => {
    const sending = signatory().send({ ...prepared, ...change }, meant);
    await expect(sending).rejects.toBeInstanceOf(CommandError);
    await expect(sending).rejects.toMatchObject({
      exitCode: exitCodes.failure,
      message: expect.stringMatching(reason) as unknown,
    });
  });
});

it('asks for consent with contract, function, arguments and value, before anything is signed', async () => {
  const asked: string[] = [];
  const refusing = signatory((what) => {
    asked.push(what);
    return Promise.reject(new CommandError(exitCodes.usage, 'no'));
  });
  await expect(refusing.send(prepared, meant)).rejects.toThrow('no');
  expect(asked).toEqual([`${market} fund(offerId: 7, jobHeaderHash_: ${hash}) with 0.000000000000000005 ETH`]);
});

it('describes structs and lists by their names', () => {
  const { data } = encodeCall({
    abi: trainingMarketAbi,
    functionName: 'open',
    args: [
      {
        ...{ jobSpecReference: hash, programReference: hash, trainingViewReference: hash, initialStateReference: hash },
        ...{ rows: 10n, rowBytes: 4, seed: 1n, steps: 20, batchSize: 5, commitEvery: 10 },
      },
      {
        ...{ token: market, rewardWei: 9n, validationFeeWei: 2n, verifier: market, minStakeWei: 3n },
        ...{ fundingWindow: 1, bidWindow: 2, startWindow: 3, trainingWindow: 4, challengeWindow: 5 },
      },
      [attacker, market],
      [1, 2],
    ],
  });
  const text = describeCall({ to: market, data, valueWei: 0n }).toLowerCase();
  expect(text).toContain('rows: 10, rowbytes: 4, seed: 1, steps: 20');
  expect(text).toContain('rewardwei: 9');
  expect(text).toContain(`payers: [${attacker}, ${market}], units: [1, 2]) with 0 eth`);
});
