import { encodeCall, readContract, trainerRegistryAbi, trainingMarketAbi } from '@cotrain/chain';
import {
  DATASET_MANIFEST_MAX_BYTES,
  decodeDatasetManifest,
  decodeJobSpec,
  hashJobHeader,
  JOB_SPEC_MAX_BYTES,
  type JobHeader,
  parseReference,
} from '@cotrain/protocol';
import { Inject } from '@nestjs/common';
import { Args, Context, Int, Mutation, Resolver } from '@nestjs/graphql';
import { isAddress } from 'ethers';
import { API_CONTEXT, type ApiContext } from '../context.ts';
import { fail, ForbiddenError, NotFoundError, UnauthenticatedError, ValidationError } from './failures.ts';
import type { RequestContext } from './requests.ts';
import { OpenOfferInput, TransactionResult, UnsignedTransaction } from './types.ts';

type Hex = `0x${string}`;
type Result = UnsignedTransaction | UnauthenticatedError | ForbiddenError | NotFoundError | ValidationError;

const offerIdArgument = { type: () => Int } as const;

/** Mutations that move a user's money: each returns the transaction for him to sign. */
@Resolver()
export class TransactionResolver {
  constructor(@Inject(API_CONTEXT) private readonly api: ApiContext) {}

  @Mutation(() => TransactionResult, {
    description: 'Opens an offer for a JobSpec that is on Swarm; its documents are checked first.',
  })
  async prepareOpenOffer(
    @Args('input', { type: () => OpenOfferInput }) input: OpenOfferInput,
    @Context() { identity }: RequestContext,
  ): Promise<Result> {
    if (identity === null) return unauthenticated();
    const verifier = this.api.deployment.verifiers[input.mode];
    if (verifier === undefined)
      return invalid(
        'mode',
        `${input.mode} is not offered here. Modes: ${Object.keys(this.api.deployment.verifiers).join(', ')}.`,
      );
    for (const field of ['rewardWei', 'validationFeeWei', 'minStakeWei'] as const) {
      if (!/^\d{1,77}$/.test(input[field])) return invalid(field, `is ${input[field]}: give a decimal amount in wei.`);
    }
    if (input.payers.length < 1 || input.payers.length > 64 || input.payers.length !== input.units.length)
      return invalid('payers', 'give 1 to 64 payers and as many units.');
    const badPayer = input.payers.find((payer) => !isAddress(payer));
    if (badPayer !== undefined) return invalid('payers', `${badPayer} is no address.`);
    let header: JobHeader;
    try {
      header = await this.headerOfSpec(input.jobSpecReference);
    } catch (error) {
      return invalid('jobSpecReference', error instanceof Error ? error.message : String(error));
    }
    const { fundingWindow, bidWindow, startWindow, trainingWindow, challengeWindow } = input;
    const terms = {
      token: input.token as Hex,
      rewardWei: BigInt(input.rewardWei),
      validationFeeWei: BigInt(input.validationFeeWei),
      verifier,
      minStakeWei: BigInt(input.minStakeWei),
      fundingWindow,
      bidWindow,
      startWindow,
      trainingWindow,
      challengeWindow,
    };
    const call = encodeCall({
      abi: trainingMarketAbi,
      functionName: 'open',
      args: [header, terms, input.payers as Hex[], input.units],
    });
    return this.transaction(
      call.data,
      0n,
      `Open an offer of ${input.rewardWei} wei for JobHeader ${hashJobHeader(header)}`,
    );
  }

  @Mutation(() => TransactionResult, { description: "Pays the caller's share of an offer." })
  async prepareFund(
    @Args('offerId', offerIdArgument) offerId: number,
    @Context() { identity }: RequestContext,
  ): Promise<Result> {
    const party = await this.payer(offerId, identity?.address);
    if (party !== null) return party;
    const address = identity?.address as Hex;
    const shareWei = await readContract(this.api.provider, {
      abi: trainingMarketAbi,
      address: this.api.deployment.market,
      functionName: 'shareWei',
      args: [BigInt(offerId), address],
    });
    const offer = await this.api.database.prisma.offer.findUnique({ where: { id: offerId } });
    const token = (offer?.terms as { token?: string } | null)?.token ?? '';
    const isEther = /^0x0{40}$/.test(token);
    const { data } = encodeCall({ abi: trainingMarketAbi, functionName: 'fund', args: [BigInt(offerId)] });
    const hint = isEther ? '' : ` (first approve the market to take ${String(shareWei)} of token ${token})`;
    return this.transaction(
      data,
      isEther ? shareWei : 0n,
      `Pay ${String(shareWei)} for offer ${String(offerId)}${hint}`,
    );
  }

  @Mutation(() => TransactionResult, {
    description: "Claims the caller's part of what is refundable of a settled offer.",
  })
  async prepareClaimRefund(
    @Args('offerId', offerIdArgument) offerId: number,
    @Context() { identity }: RequestContext,
  ): Promise<Result> {
    const party = await this.payer(offerId, identity?.address);
    if (party !== null) return party;
    return this.transaction(
      encodeCall({ abi: trainingMarketAbi, functionName: 'claimRefund', args: [BigInt(offerId)] }).data,
      0n,
      `Claim the refund of offer ${String(offerId)}`,
    );
  }

  @Mutation(() => TransactionResult, { description: 'Cancels an offer that nobody has paid for; its requester only.' })
  async prepareCancel(
    @Args('offerId', offerIdArgument) offerId: number,
    @Context() { identity }: RequestContext,
  ): Promise<Result> {
    if (identity === null) return unauthenticated();
    const offer = await this.api.database.prisma.offer.findUnique({ where: { id: offerId } });
    if (offer === null) return notFound(offerId);
    if (offer.requester.toLowerCase() !== identity.address.toLowerCase())
      return fail(ForbiddenError, { message: `Offer ${String(offerId)} belongs to ${offer.requester}.` });
    return this.transaction(
      encodeCall({ abi: trainingMarketAbi, functionName: 'cancel', args: [BigInt(offerId)] }).data,
      0n,
      `Cancel offer ${String(offerId)}`,
    );
  }

  @Mutation(() => TransactionResult, { description: 'Pays out what is credited to the caller, in one token.' })
  prepareWithdraw(
    @Args('token', { type: () => String, defaultValue: `0x${'0'.repeat(40)}` }) token: string,
    @Context() { identity }: RequestContext,
  ): Result {
    if (identity === null) return unauthenticated();
    if (!isAddress(token)) return invalid('token', `${String(token).slice(0, 60)} is no address.`);
    return this.transaction(
      encodeCall({ abi: trainingMarketAbi, functionName: 'withdraw', args: [token as Hex] }).data,
      0n,
      `Withdraw all credits in token ${token}`,
    );
  }

  @Mutation(() => TransactionResult, { description: "Adds to a trainer's stake." })
  prepareDepositStake(
    @Args('trainer', { type: () => String }) trainer: string,
    @Args('amountWei', { type: () => String }) amountWei: string,
    @Context() { identity }: RequestContext,
  ): Result {
    if (identity === null) return unauthenticated();
    if (!isAddress(trainer)) return invalid('trainer', `${String(trainer).slice(0, 60)} is no address.`);
    if (!/^[1-9]\d{0,76}$/.test(amountWei)) return invalid('amountWei', 'give a decimal amount in wei above zero.');
    const { deployment } = this.api;
    const { data } = encodeCall({ abi: trainerRegistryAbi, functionName: 'depositFor', args: [trainer as Hex] });
    return Object.assign(new UnsignedTransaction(), {
      chainId: deployment.chainId,
      to: deployment.registry,
      data,
      valueWei: amountWei,
      summary: `Deposit ${amountWei} wei of stake for ${trainer}`,
    });
  }

  private transaction(data: Hex, valueWei: bigint, summary: string): UnsignedTransaction {
    const { chainId, market } = this.api.deployment;
    return Object.assign(new UnsignedTransaction(), { chainId, to: market, data, valueWei: String(valueWei), summary });
  }

  /** Null when the address pays for the offer, otherwise why it may not act. */
  private async payer(offerId: number, address: string | undefined): Promise<Result | null> {
    if (address === undefined) return unauthenticated();
    const offer = await this.api.database.prisma.offer.findUnique({
      where: { id: offerId },
      include: { payers: true },
    });
    if (offer === null) return notFound(offerId);
    if (offer.payers.some(({ payer }) => payer.toLowerCase() === address.toLowerCase())) return null;
    return fail(ForbiddenError, { message: `${address} is no payer of offer ${String(offerId)}.` });
  }

  private async headerOfSpec(reference: string): Promise<JobHeader> {
    const jobSpecReference = parseReference(reference, 'jobSpecReference');
    const { swarm } = this.api;
    const spec = decodeJobSpec(await swarm.download(jobSpecReference, { maxBytes: JOB_SPEC_MAX_BYTES }));
    const manifest = decodeDatasetManifest(
      await swarm.download(spec.dataset.manifestReference, { maxBytes: DATASET_MANIFEST_MAX_BYTES }),
    );
    const split = Object.hasOwn(manifest.splits, spec.dataset.trainSplit)
      ? manifest.splits[spec.dataset.trainSplit]
      : undefined;
    if (split === undefined)
      throw new Error(
        `dataset.trainSplit is ${spec.dataset.trainSplit}; the dataset has ${Object.keys(manifest.splits).join(', ')}.`,
      );
    const { programReference, initialStateReference, steps, batchSize, commitEvery } = spec;
    return {
      jobSpecReference,
      programReference,
      trainingViewReference: split.viewReference,
      initialStateReference,
      rows: BigInt(split.rows),
      rowBytes: split.rowBytes,
      seed: BigInt(spec.seed),
      steps,
      batchSize,
      commitEvery,
    };
  }
}

function unauthenticated(): UnauthenticatedError {
  return fail(UnauthenticatedError, {
    message: 'Sign in first: signInNonce, then signIn, then send the token as a bearer token.',
  });
}

function notFound(offerId: number): NotFoundError {
  return fail(NotFoundError, { message: `There is no offer ${String(offerId)}.` });
}

function invalid(field: string, message: string): ValidationError {
  return fail(ValidationError, { field, message: `${field}: ${message}` });
}
