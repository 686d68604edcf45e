import { readContract, sampledQuorumAbi, trainerRegistryAbi, trainingMarketAbi } from '@cotrain/chain';
import type { Hex } from '@cotrain/protocol';
import { Inject } from '@nestjs/common';
import { Args, Query, Resolver } from '@nestjs/graphql';
import { API_CONTEXT, type ApiContext } from '../context.ts';
import { Account, Market } from './market-types.ts';
import { timeOf } from './offer-view.ts';
import { remoteCost } from './query-cost.ts';
import { Address } from './scalars.ts';

/** The deployment and the money of accounts in its contracts. Open to anyone. */
@Resolver()
export class MarketResolver {
  constructor(@Inject(API_CONTEXT) private readonly api: ApiContext) {}

  @Query(() => Market, { description: 'Chain, contracts and Swarm endpoint of this deployment. Anyone.' })
  market(): Market {
    const { deployment, swarm, indexer } = this.api;
    const { cursor, head } = indexer.status();
    return {
      chainId: deployment.chainId,
      market: deployment.market,
      registry: deployment.registry,
      quorum: deployment.quorum,
      modes: Object.keys(deployment.verifiers),
      swarmUrl: swarm.url,
      indexedBlock: cursor,
      headBlock: head,
    };
  }

  @Query(() => Account, {
    complexity: remoteCost,
    description: 'Stakes and credits of an address, read from the newest block of the chain. Anyone.',
  })
  async account(
    @Args('address', { type: () => Address, description: 'Whose money.' }) address: Hex,
    @Args('token', {
      type: () => Address,
      defaultValue: `0x${'0'.repeat(40)}`,
      description: 'Token of the credits; the zero address is ETH.',
    })
    token: Hex,
  ): Promise<Account> {
    const { provider, deployment } = this.api;
    const credit = (contract: Hex): Promise<bigint> =>
      readContract(provider, {
        abi: trainingMarketAbi,
        address: contract,
        functionName: 'credit',
        args: [address, token],
      });
    const [stake, validatorStakeWei, marketCreditWei, quorumCreditWei] = await Promise.all([
      readContract(provider, {
        abi: trainerRegistryAbi,
        address: deployment.registry,
        functionName: 'stakeOf',
        args: [address],
      }),
      readContract(provider, {
        abi: sampledQuorumAbi,
        address: deployment.quorum,
        functionName: 'validatorStake',
        args: [address],
      }),
      credit(deployment.market),
      credit(deployment.quorum),
    ]);
    const [freeWei, lockedWei, unbondingWei, withdrawableAt] = stake;
    return {
      address,
      freeStakeWei: String(freeWei),
      lockedStakeWei: String(lockedWei),
      unbondingStakeWei: String(unbondingWei),
      withdrawableAt: unbondingWei === 0n ? null : timeOf(Number(withdrawableAt)),
      validatorStakeWei: String(validatorStakeWei),
      marketCreditWei: String(marketCreditWei),
      quorumCreditWei: String(quorumCreditWei),
    };
  }
}
