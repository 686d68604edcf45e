import { describe, expect, test } from '@jest/globals';
import { interfaceOf, trainerRegistryAbi, trainingMarketAbi } from '@cotrain/chain';
import { defaultPolicy } from './default-policy.ts';
import { assertAllowed, NotAllowedError, policySchema } from './policy.ts';

const deployment = {
  chainId: 1,
  market: `0x${'1'.repeat(40)}`,
  registry: `0x${'2'.repeat(40)}`,
  quorum: `0x${'3'.repeat(40)}`,
  verifiers: {},
  deployedAtBlock: 0,
} as const;
const market = interfaceOf(trainingMarketAbi);
const jobHeaderHash = `0x${'4'.repeat(64)}`;

describe('the policy of a deployment', () => {
  const policy = defaultPolicy(deployment, 5n);

  test('is one that the signer reads', () => {
    expect(policySchema.parse(policy)).toEqual(policy);
  });

  test('lets a pool bid with a bond up to the limit', () => {
    const data = market.encodeFunctionData('bid', [1n, jobHeaderHash, 2n]);
    expect(() => {
      assertAllowed(policy, { to: deployment.market, data, valueWei: 5n }, 0n);
    }).not.toThrow();
    expect(() => {
      assertAllowed(policy, { to: deployment.market, data, valueWei: 6n }, 0n);
    }).toThrow(NotAllowedError);
  });

  test('lets nobody fund an offer or take stake out', () => {
    const refused = [
      { to: deployment.market, data: market.encodeFunctionData('fund', [1n, jobHeaderHash]) },
      { to: deployment.registry, data: interfaceOf(trainerRegistryAbi).encodeFunctionData('unbond', [1n]) },
      { to: deployment.registry, data: interfaceOf(trainerRegistryAbi).encodeFunctionData('withdrawStake', []) },
    ];
    for (const call of refused)
      expect(() => {
        assertAllowed(policy, { ...call, valueWei: 0n }, 0n);
      }).toThrow(NotAllowedError);
  });
});
