import { expect, it, test } from '@jest/globals';
import { Interface, type InterfaceAbi } from 'ethers';
import { asChainError } from './contract-call.ts';
import { describeRefusal } from './describe-refusal.ts';
import { sampledQuorumAbi, trainerRegistryAbi, trainingMarketAbi } from './generated/abi.ts';

const errors = [trainingMarketAbi, trainerRegistryAbi, sampledQuorumAbi].flatMap((abi) =>
  abi.filter((entry) => entry.type === 'error'),
);
const ours = errors.filter(({ name }) => !/^(Ownable|Safe|ReentrancyGuard|Checkpoint)/.test(name));

test.each([...new Map(ours.map((error) => [`${error.name}/${String(error.inputs.length)}`, error])).values()])(
  'the contracts’ error $name has a sentence',
  ({ name, inputs }) => {
    const values = inputs.map(({ type }) => (type === 'address' || type === 'bytes32' ? '0x12' : 3n));
    expect(describeRefusal(name, values)).toMatch(/^[a-z0-9].*[.:]/s);
  },
);

it('says states by name, amounts in ETH and times as dates, and keeps the error for whoever looks it up', () => {
  const abi = trainingMarketAbi.filter((entry) => entry.type === 'error');
  const refused = (name: string, values: unknown[]): string =>
    asChainError(
      Object.assign(new Error('reverted'), {
        code: 'CALL_EXCEPTION',
        data: new Interface(abi as unknown as InterfaceAbi).encodeErrorResult(name, values),
      }),
      'fund',
      abi,
    ).message;
  expect(refused('WrongState', [1, 6])).toMatch(/offer 1 is Paid, .*settled.* \[WrongState\(1, 6\)\]$/);
  expect(refused('TooLate', [7, 1_700_000_000])).toContain('possible until 2023-11-14T22:13:20Z');
  expect(refused('StakeBelowReward', [10n ** 17n, 10n ** 18n])).toMatch(/0\.1 ETH .* at least 1\.0 ETH/);
});

it('has nothing to say of what it does not know', () => {
  expect(describeRefusal('SomethingElse', [])).toBeNull();
  expect(describeRefusal('WrongState', [1])).toBeNull();
});

it('says that a node gives no reason instead of how ethers puts it', () => {
  const bare = Object.assign(new Error('x'), {
    code: 'CALL_EXCEPTION',
    data: null,
    shortMessage: 'missing revert data',
  });
  expect(asChainError(bare, 'fund').message).toBe(
    'The contract refuses: no reason was given. Does the account have the ETH that is sent?',
  );
});
