import {
  asChainError,
  CallRevertedError,
  ChainUnavailableError,
  encodeCall,
  readContract,
  sampledQuorumAbi,
  trainingMarketAbi,
} from '@cotrain/chain';
import { hashJobHeader, type Hex, type JobHeader, type Reference } from '@cotrain/protocol';
import { Inject } from '@nestjs/common';
import { Args, Context, Int, Mutation, Resolver } from '@nestjs/graphql';
import { Interface } from 'ethers';
import { z } from 'zod';
import { API_CONTEXT, type ApiContext } from '../context.ts';
import type { OfferTerms } from './offer-types.ts';
import {
  type AnyFailure,
  ContractRefusalError,
  fail,
  ForbiddenError,
  invalid,
  NotFoundError,
  UnavailableError,
  unauthenticated,
} from './failures.ts';
import { DocumentsUnavailableError, UnusableJobSpecError } from './job-header-source.ts';
import { amount, prepareTransaction, zeroAddress } from './prepare-transaction.ts';
import { remoteCost } from './query-cost.ts';
import { limitRate, type RequestContext } from './requests.ts';
import { OpenOfferInput, TransactionResult, UnsignedTransaction } from './transaction-types.ts';

type Result = UnsignedTransaction | AnyFailure;

const erc20 = new Interface([
  'function approve(address spender, uint256 amount) returns (bool)',
  'function allowance(address owner, address spender) view returns (uint256)',
]);
const offerIdArgument = { type: () => Int, description: 'Number of the offer.' } as const;
const result = (description: string): { complexity: typeof remoteCost; description: string } => ({
  complexity: remoteCost,
  description,
});

const oneYear = 365 * 86_400;
const window = z.number().int().min(1, 'must be at least 1 second').max(oneYear, 'must be at most a year');
/** Bounds of the contract, told by field. */
const openSchema = z
  .object({
    rewardWei: z.string().refine((wei) => BigInt(wei) > 0n, 'must be above zero'),
    fundingWindow: window,
    bidWindow: window,
    startWindow: window,
    trainingWindow: window,
    challengeWindow: window,
    payers: z.array(z.string()).min(1, 'must name 1 to 64 payers').max(64, 'must name 1 to 64 payers'),
    units: z.array(z.number().int().min(1, 'must be at least 1')),
  })
  .refine(({ payers, units }) => payers.length === units.length, {
    path: ['units'],
    message: 'must have one entry for each payer',
  })
  .refine(({ payers }) => new Set(payers).size === payers.length, {
    path: ['payers'],
    message: 'must not name an address twice',
  });

/** Mutations about an offer that move a user's money: each returns the transaction for him to sign. */
@Resolver()
export class OfferTransactionResolver {
  constructor(@Inject(API_CONTEXT) private readonly api: ApiContext) {}

  @Mutation(
    () => TransactionResult,
    result('Opens an offer for a JobSpec that is on Swarm, whose documents are checked first. Any signed-in address.'),
  )
  async prepareOpenOffer(
    @Args('input', { type: () => OpenOfferInput, description: 'The offer to open.' }) input: OpenOfferInput,
    @Context() { identity }: RequestContext,
  ): Promise<Result> {
    if (identity === null) return unauthenticated();
    const { deployment, limiters, jobHeaders } = this.api;
    const verifier = Object.hasOwn(deployment.verifiers, input.mode) ? deployment.verifiers[input.mode] : undefined;
    if (verifier === undefined)
      return invalid(
        'mode',
        `is ${input.mode.slice(0, 40)}; this market offers ${Object.keys(deployment.verifiers).join(', ')}.`,
      );
    const issue = openSchema.safeParse(input).error?.issues[0];
    if (issue !== undefined) return invalid(issue.path.map(String).join('.'), issue.message);
    limitRate(limiters.openOffer, identity.address);
    let header: JobHeader;
    try {
      header = await jobHeaders.headerOf(input.jobSpecReference as Reference);
    } catch (error) {
      if (error instanceof UnusableJobSpecError) return invalid('jobSpecReference', error.message);
      if (error instanceof DocumentsUnavailableError) return fail(UnavailableError, { message: error.message });
      throw error;
    }
    const { fundingWindow, bidWindow, startWindow, trainingWindow, challengeWindow, token } = input;
    const rewardWei = BigInt(input.rewardWei);
    const validationFeeWei = BigInt(input.validationFeeWei);
    const { data } = encodeCall({
      abi: trainingMarketAbi,
      functionName: 'open',
      args: [
        header,
        {
          token: token as Hex,
          rewardWei,
          validationFeeWei,
          verifier,
          minStakeWei: BigInt(input.minStakeWei),
          fundingWindow,
          bidWindow,
          startWindow,
          trainingWindow,
          challengeWindow,
        },
        input.payers as Hex[],
        input.units,
      ],
    });
    return this.toMarket(
      identity.address,
      data,
      0n,
      `Open an offer of ${amount(rewardWei, token)} and ${amount(validationFeeWei, token)} for the validators, to train ${String(header.steps)} batches of ${String(header.batchSize)} rows; ${String(input.payers.length)} payer(s); JobHeader ${hashJobHeader(header)}`,
    );
  }

  @Mutation(
    () => TransactionResult,
    result(
      "Lets the market take the caller's share of an offer that is paid in an ERC-20 token: exactly the share. To be mined before prepareFund. A payer of the offer.",
    ),
  )
  async prepareApprove(
    @Args('offerId', offerIdArgument) offerId: number,
    @Context() { identity }: RequestContext,
  ): Promise<Result> {
    return this.asPayer(offerId, identity?.address, async (address, terms) => {
      if (terms.token === zeroAddress)
        return invalid(
          'offerId',
          `offer ${String(offerId)} is paid in ETH, which needs no approval. Go on with prepareFund.`,
        );
      const shareWei = await this.shareWei(offerId, address);
      const { market } = this.api.deployment;
      return prepareTransaction(this.api, address, {
        to: terms.token,
        data: erc20.encodeFunctionData('approve', [market, shareWei]),
        valueWei: 0n,
        summary: `Allow the market ${market} to take ${amount(shareWei, terms.token)} for your share of offer ${String(offerId)}`,
      });
    });
  }

  @Mutation(() => TransactionResult, result("Pays the caller's share of an offer. A payer of the offer."))
  async prepareFund(
    @Args('offerId', offerIdArgument) offerId: number,
    @Context() { identity }: RequestContext,
  ): Promise<Result> {
    return this.asPayer(offerId, identity?.address, async (address, { token }, jobHeaderHash) => {
      const shareWei = await this.shareWei(offerId, address);
      const isEther = token === zeroAddress;
      if (!isEther && (await this.allowanceWei(token, address)) < shareWei)
        return fail(ContractRefusalError, {
          reason: null,
          message: `The market may not take ${amount(shareWei, token)} yet: sign and send prepareApprove first.`,
        });
      const { data } = encodeCall({
        abi: trainingMarketAbi,
        functionName: 'fund',
        args: [BigInt(offerId), jobHeaderHash],
      });
      return this.toMarket(
        address,
        data,
        isEther ? shareWei : 0n,
        `Pay ${amount(shareWei, token)}, your share of offer ${String(offerId)}`,
      );
    });
  }

  @Mutation(
    () => TransactionResult,
    result(
      "Credits the caller's part of what is refundable of a settled offer; prepareWithdraw then pays it out. A payer of the offer.",
    ),
  )
  async prepareClaimRefund(
    @Args('offerId', offerIdArgument) offerId: number,
    @Context() { identity }: RequestContext,
  ): Promise<Result> {
    return this.asPayer(offerId, identity?.address, (address) => {
      const { data } = encodeCall({ abi: trainingMarketAbi, functionName: 'claimRefund', args: [BigInt(offerId)] });
      return this.toMarket(address, data, 0n, `Claim your part of the refund of offer ${String(offerId)}`);
    });
  }

  @Mutation(() => TransactionResult, result('Cancels an offer that nobody has paid for. The requester of the offer.'))
  async prepareCancel(
    @Args('offerId', offerIdArgument) offerId: number,
    @Context() { identity }: RequestContext,
  ): Promise<Result> {
    if (identity === null) return unauthenticated();
    const offer = await this.api.database.prisma.offer.findUnique({ where: { id: offerId } });
    if (offer === null) return unknownOffer(offerId);
    if (offer.requester !== identity.address)
      return fail(ForbiddenError, { message: `Offer ${String(offerId)} belongs to ${offer.requester}.` });
    const { data } = encodeCall({ abi: trainingMarketAbi, functionName: 'cancel', args: [BigInt(offerId)] });
    return this.toMarket(identity.address, data, 0n, `Cancel offer ${String(offerId)}`);
  }

  @Mutation(
    () => TransactionResult,
    result(
      'Challenges a commitment that the first quorum found valid: another quorum executes the named segment again. The bond is lost if it agrees with the trainer. Any signed-in address.',
    ),
  )
  async prepareChallenge(
    @Args('offerId', offerIdArgument) offerId: number,
    @Args('segment', { type: () => Int, description: 'Number of the segment that is wrong, from 0.' }) segment: number,
    @Context() { identity }: RequestContext,
  ): Promise<Result> {
    if (identity === null) return unauthenticated();
    const { database, provider, deployment } = this.api;
    if ((await database.prisma.offer.findUnique({ where: { id: offerId } })) === null) return unknownOffer(offerId);
    if (segment < 0) return invalid('segment', `is ${String(segment)}; segments are counted from 0.`);
    return this.reachingChain(async () => {
      const bondWei = await readContract(provider, {
        abi: sampledQuorumAbi,
        address: deployment.quorum,
        functionName: 'challengeBondWei',
        args: [BigInt(offerId)],
      });
      const { data } = encodeCall({
        abi: sampledQuorumAbi,
        functionName: 'challenge',
        args: [BigInt(offerId), segment],
      });
      return prepareTransaction(this.api, identity.address, {
        to: deployment.quorum,
        data,
        valueWei: bondWei,
        summary: `Challenge segment ${String(segment)} of offer ${String(offerId)} with a bond of ${amount(bondWei, zeroAddress)}`,
      });
    });
  }

  private toMarket(from: string, data: Hex, valueWei: bigint, summary: string): Promise<Result> {
    return prepareTransaction(this.api, from, { to: this.api.deployment.market, data, valueWei, summary });
  }

  private shareWei(offerId: number, payer: Hex): Promise<bigint> {
    const { provider, deployment } = this.api;
    return readContract(provider, {
      abi: trainingMarketAbi,
      address: deployment.market,
      functionName: 'shareWei',
      args: [BigInt(offerId), payer],
    });
  }

  private async allowanceWei(token: string, owner: string): Promise<bigint> {
    const { provider, deployment } = this.api;
    const data = erc20.encodeFunctionData('allowance', [owner, deployment.market]);
    try {
      const answer = await provider.call({ to: token, data });
      // A token that does not say how much it allows allows nothing.
      return answer.length === 66 ? BigInt(answer) : 0n;
    } catch (error) {
      throw asChainError(error, 'allowance');
    }
  }

  /** Prepares for a payer of the offer; tells anybody else why he may not act. */
  private async asPayer(
    offerId: number,
    address: string | undefined,
    prepare: (address: Hex, terms: OfferTerms, jobHeaderHash: Hex) => Promise<Result> | Result,
  ): Promise<Result> {
    if (address === undefined) return unauthenticated();
    const offer = await this.api.database.prisma.offer.findUnique({
      where: { id: offerId },
      include: { payers: true },
    });
    if (offer === null) return unknownOffer(offerId);
    if (!offer.payers.some(({ payer }) => payer === address))
      return fail(ForbiddenError, { message: `${address} is no payer of offer ${String(offerId)}.` });
    return this.reachingChain(async () =>
      prepare(address as Hex, offer.terms as unknown as OfferTerms, offer.jobHeaderHash as Hex),
    );
  }

  private async reachingChain(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof ChainUnavailableError)
        return fail(UnavailableError, { message: 'The chain does not answer now; try again.' });
      if (error instanceof CallRevertedError)
        return fail(ContractRefusalError, { reason: error.errorName, message: error.message });
      throw error;
    }
  }
}

function unknownOffer(offerId: number): NotFoundError {
  return fail(NotFoundError, {
    message: `There is no offer ${String(offerId)}. One that was opened just now appears with the next indexed block.`,
  });
}
