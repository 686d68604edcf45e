import { encodeCall, sampledQuorumAbi, trainerRegistryAbi, trainingMarketAbi } from '@cotrain/chain';
import type { Hex } from '@cotrain/protocol';
import { Inject } from '@nestjs/common';
import { Args, Context, Mutation, Resolver } from '@nestjs/graphql';
import { API_CONTEXT, type ApiContext } from '../context.ts';
import { PayingContract } from './enums.ts';
import { type AnyFailure, invalid, unauthenticated } from './failures.ts';
import { amount, prepareTransaction, zeroAddress } from './prepare-transaction.ts';
import { remoteCost } from './query-cost.ts';
import type { RequestContext } from './requests.ts';
import { Address, Wei } from './scalars.ts';
import { TransactionResult, UnsignedTransaction } from './transaction-types.ts';

type Result = UnsignedTransaction | AnyFailure;

const amountArgument = { type: () => Wei, description: 'How much ETH, in wei; above zero.' } as const;
const result = (description: string): { complexity: typeof remoteCost; description: string } => ({
  complexity: remoteCost,
  description,
});

/** Mutations about stakes and credits: each returns the transaction for its sender to sign. */
@Resolver()
export class StakeTransactionResolver {
  constructor(@Inject(API_CONTEXT) private readonly api: ApiContext) {}

  @Mutation(
    () => TransactionResult,
    result('Pays out everything that a contract owes the caller, in one token. Any signed-in address with a credit.'),
  )
  async prepareWithdraw(
    @Context() { identity }: RequestContext,
    @Args('token', {
      type: () => Address,
      defaultValue: zeroAddress,
      description: 'The token; the zero address is ETH.',
    })
    token: Hex,
    @Args('contract', {
      type: () => PayingContract,
      defaultValue: PayingContract.Market,
      description: 'Which contract owes it.',
    })
    contract: PayingContract,
  ): Promise<Result> {
    if (identity === null) return unauthenticated();
    const { market, quorum } = this.api.deployment;
    const to = contract === PayingContract.Quorum ? quorum : market;
    const { data } = encodeCall({ abi: trainingMarketAbi, functionName: 'withdraw', args: [token] });
    const what = token === zeroAddress ? 'ETH' : `token ${token}`;
    return this.prepare(
      identity.address,
      to,
      data,
      0n,
      `Withdraw all that the ${contract.toLowerCase()} owes you in ${what}`,
    );
  }

  @Mutation(
    () => TransactionResult,
    result("Adds to a trainer's stake, which only he can take back. Any signed-in address."),
  )
  async prepareDepositStake(
    @Args('trainer', { type: () => Address, description: 'Whose stake: the wallet of a pool.' }) trainer: Hex,
    @Args('amountWei', amountArgument) amountWei: string,
    @Context() { identity }: RequestContext,
  ): Promise<Result> {
    if (identity === null) return unauthenticated();
    const valueWei = BigInt(amountWei);
    if (valueWei === 0n) return nothing();
    const { data } = encodeCall({ abi: trainerRegistryAbi, functionName: 'depositFor', args: [trainer] });
    const summary = `Deposit ${amount(valueWei, zeroAddress)} of stake for trainer ${trainer}`;
    return this.prepare(identity.address, this.api.deployment.registry, data, valueWei, summary);
  }

  @Mutation(
    () => TransactionResult,
    result(
      'Starts to take back stake that backs no award; it can be withdrawn after the unbonding time. A trainer with free stake.',
    ),
  )
  async prepareUnbond(
    @Args('amountWei', amountArgument) amountWei: string,
    @Context() { identity }: RequestContext,
  ): Promise<Result> {
    if (identity === null) return unauthenticated();
    const wei = BigInt(amountWei);
    if (wei === 0n) return nothing();
    const { data } = encodeCall({ abi: trainerRegistryAbi, functionName: 'unbond', args: [wei] });
    const summary = `Unbond ${amount(wei, zeroAddress)} of your trainer's stake; unbonding anew restarts the waiting time of all`;
    return this.prepare(identity.address, this.api.deployment.registry, data, 0n, summary);
  }

  @Mutation(
    () => TransactionResult,
    result("Pays out the trainer's stake whose unbonding time is over. A trainer who has unbonded."),
  )
  async prepareWithdrawStake(@Context() { identity }: RequestContext): Promise<Result> {
    if (identity === null) return unauthenticated();
    const { data } = encodeCall({ abi: trainerRegistryAbi, functionName: 'withdrawStake', args: [] });
    return this.prepare(identity.address, this.api.deployment.registry, data, 0n, 'Withdraw your unbonded stake');
  }

  @Mutation(
    () => TransactionResult,
    result('Joins the quorum of validators with a stake, or adds to it. Any signed-in address.'),
  )
  async prepareJoinAsValidator(
    @Args('amountWei', { ...amountArgument, description: 'Stake to add, in wei of ETH.' }) amountWei: string,
    @Context() { identity }: RequestContext,
  ): Promise<Result> {
    if (identity === null) return unauthenticated();
    const valueWei = BigInt(amountWei);
    if (valueWei === 0n) return nothing();
    const { data } = encodeCall({ abi: sampledQuorumAbi, functionName: 'join', args: [] });
    const summary = `Join the validators, or add to your stake, with ${amount(valueWei, zeroAddress)}. A validator who is drawn and stays silent loses a part of it`;
    return this.prepare(identity.address, this.api.deployment.quorum, data, valueWei, summary);
  }

  @Mutation(
    () => TransactionResult,
    result(
      'Leaves the quorum: no more draws; the stake can be withdrawn some time later, with prepareWithdrawValidatorStake. A validator who is not on duty.',
    ),
  )
  async prepareLeaveAsValidator(@Context() { identity }: RequestContext): Promise<Result> {
    if (identity === null) return unauthenticated();
    const { data } = encodeCall({ abi: sampledQuorumAbi, functionName: 'leave', args: [] });
    const summary = 'Leave the validators; your stake can be withdrawn after the waiting time';
    return this.prepare(identity.address, this.api.deployment.quorum, data, 0n, summary);
  }

  @Mutation(
    () => TransactionResult,
    result('Pays out the stake of a validator who has left and waited. A validator who has left.'),
  )
  async prepareWithdrawValidatorStake(@Context() { identity }: RequestContext): Promise<Result> {
    if (identity === null) return unauthenticated();
    const { data } = encodeCall({ abi: sampledQuorumAbi, functionName: 'withdrawStake', args: [] });
    return this.prepare(identity.address, this.api.deployment.quorum, data, 0n, "Withdraw your validator's stake");
  }

  private prepare(from: string, to: string, data: Hex, valueWei: bigint, summary: string): Promise<Result> {
    return prepareTransaction(this.api, from, { to, data, valueWei, summary });
  }
}

function nothing(): AnyFailure {
  return invalid('amountWei', 'is 0; give an amount above zero.');
}
