import { Field, Float, ID, InputType, Int, ObjectType, registerEnumType } from '@nestjs/graphql';
import { connectionOf } from './connection.ts';
import { resultOf } from './failures.ts';

export enum OfferStateFilter {
  Funding = 'Funding',
  Bidding = 'Bidding',
  Awarded = 'Awarded',
  Training = 'Training',
  Committed = 'Committed',
  Paid = 'Paid',
  Slashed = 'Slashed',
  Refunded = 'Refunded',
  Cancelled = 'Cancelled',
}
registerEnumType(OfferStateFilter, { name: 'OfferState' });

@ObjectType({ description: 'Somebody who pays a share of an offer. Amounts are decimal strings in wei.' })
export class Payer {
  @Field(() => String) payer!: string;
  @Field(() => Int, { description: 'Share, in parts of the sum of all units.' }) units!: number;
  @Field(() => String, { nullable: true }) paidWei!: string | null;
  @Field(() => String, { nullable: true }) refundedWei!: string | null;
}

@ObjectType()
export class Bid {
  @Field(() => String) trainer!: string;
  @Field(() => String) priceWei!: string;
  @Field(() => Boolean) displaced!: boolean;
  @Field(() => Boolean) forfeited!: boolean;
}

@ObjectType()
export class ValidatorVote {
  @Field(() => String) validator!: string;
  @Field(() => Boolean) committed!: boolean;
  @Field(() => Int, { nullable: true, description: '1 valid, 2 invalid, 3 unavailable' }) vote!: number | null;
  @Field(() => String, { nullable: true }) evidence!: string | null;
}

@ObjectType()
export class VerificationRound {
  @Field(() => Int) round!: number;
  @Field(() => [String]) validators!: string[];
  @Field(() => [Int]) segments!: number[];
  @Field(() => [ValidatorVote]) votes!: ValidatorVote[];
  @Field(() => Int, { nullable: true }) verdict!: number | null;
  @Field(() => String, { nullable: true }) challenger!: string | null;
}

@ObjectType({ description: 'An awarded offer being executed by this deployment.' })
export class TrainingJob {
  @Field(() => ID) name!: string;
  @Field(() => Int) offerId!: number;
  @Field(() => String) poolId!: string;
  @Field(() => String, { description: 'running, done, failed or stopped' }) state!: string;
  @Field(() => Int) step!: number;
  @Field(() => Int) steps!: number;
  @Field(() => Float, { nullable: true }) loss!: number | null;
  @Field(() => Float, { nullable: true }) metric!: number | null;
  @Field(() => Float, { nullable: true }) testAccuracy!: number | null;
  @Field(() => String, { nullable: true }) backend!: string | null;
  @Field(() => Int) attempts!: number;
  @Field(() => String, { nullable: true }) logReference!: string | null;
  @Field(() => String, { nullable: true }) modelReference!: string | null;
  @Field(() => String, { nullable: true }) failure!: string | null;
}

@ObjectType()
export class LogBatch {
  @Field(() => Int) step!: number;
  @Field(() => Float) loss!: number;
  @Field(() => Float) metric!: number;
  @Field(() => Float) wallMs!: number;
}

@ObjectType({ description: 'Why a pool was chosen for an offer, or why none was.' })
export class MatchReceipt {
  @Field(() => ID) id!: string;
  @Field(() => Int) offerId!: number;
  @Field(() => String) inputsHash!: string;
  @Field(() => String, { nullable: true }) poolId!: string | null;
  @Field(() => String, { nullable: true }) priceWei!: string | null;
  @Field(() => String, { description: 'The whole receipt, canonical JSON.' }) receiptJson!: string;
}

@ObjectType({ description: 'A public, on-chain request to train, with an escrowed reward.' })
export class Offer {
  @Field(() => Int) id!: number;
  @Field(() => OfferStateFilter) state!: string;
  @Field(() => String) requester!: string;
  @Field(() => String) jobHeaderHash!: string;
  @Field(() => String, { description: 'The JobHeader as JSON.' }) headerJson!: string;
  @Field(() => String, { description: 'The OfferTerms as JSON.' }) termsJson!: string;
  @Field(() => String) rewardWei!: string;
  @Field(() => Int) openedAt!: number;
  @Field(() => Int, { nullable: true }) deadline!: number | null;
  @Field(() => String, { nullable: true }) trainer!: string | null;
  @Field(() => String, { nullable: true }) priceWei!: string | null;
  @Field(() => String, { nullable: true }) logReference!: string | null;
  @Field(() => String, { nullable: true }) modelReference!: string | null;
  @Field(() => Int, { nullable: true }) verdict!: number | null;
  @Field(() => Int, { nullable: true }) challengeEndsAt!: number | null;
  @Field(() => String, { nullable: true }) paidWei!: string | null;
  @Field(() => String, { nullable: true }) refundableWei!: string | null;
  @Field(() => String, { nullable: true }) refundableEtherWei!: string | null;
  @Field(() => String, { nullable: true }) slashedWei!: string | null;
  @Field(() => [Payer]) payers!: Payer[];
  @Field(() => [Bid]) bids!: Bid[];
  @Field(() => [VerificationRound]) rounds!: VerificationRound[];
  @Field(() => Boolean, { nullable: true, description: 'Null before the documents were read.' }) matchable!:
    boolean | null;
  @Field(() => String, { nullable: true }) unmatchableReason!: string | null;
  @Field(() => String, { nullable: true }) jobSpecJson!: string | null;
}

@ObjectType({ description: 'A transaction of the contracts that concerns an offer.' })
export class OfferTransaction {
  @Field(() => String) name!: string;
  @Field(() => String) hash!: string;
  @Field(() => Int) blockNumber!: number;
}

@ObjectType({ description: 'Hours in which a pool takes work.' })
export class PoolWindow {
  @Field(() => [String]) days!: string[];
  @Field(() => String) start!: string;
  @Field(() => Int) durationMinutes!: number;
  @Field(() => String) timeZone!: string;
}

@ObjectType({ description: 'Capacity that one operator sells.' })
export class Pool {
  @Field(() => ID) id!: string;
  @Field(() => String) name!: string;
  @Field(() => String) owner!: string;
  @Field(() => String) wallet!: string;
  @Field(() => Int) gpuCount!: number;
  @Field(() => Int) gpuMemoryMiB!: number;
  @Field(() => Int) cpuMilli!: number;
  @Field(() => Int) memoryMiB!: number;
  @Field(() => String) floorPriceWeiPerGpuHour!: string;
  @Field(() => Int) marginBps!: number;
  @Field(() => [String]) runtimes!: string[];
  @Field(() => [String]) backends!: string[];
  @Field(() => [String]) tokens!: string[];
  @Field(() => [PoolWindow]) windows!: PoolWindow[];
  @Field(() => Int) maxParallelJobs!: number;
  @Field(() => Boolean) paused!: boolean;
}

@InputType()
export class PoolWindowInput {
  @Field(() => [String]) days!: string[];
  @Field(() => String) start!: string;
  @Field(() => Int) durationMinutes!: number;
  @Field(() => String) timeZone!: string;
}

@InputType()
export class RegisterPoolInput {
  @Field(() => String) name!: string;
  @Field(() => String, { description: 'Address that bids and is paid; its key is in the signer, never here.' })
  wallet!: string;
  @Field(() => Int) gpuCount!: number;
  @Field(() => Int) gpuMemoryMiB!: number;
  @Field(() => Int) cpuMilli!: number;
  @Field(() => Int) memoryMiB!: number;
  @Field(() => String) floorPriceWeiPerGpuHour!: string;
  @Field(() => Int, { defaultValue: 0 }) marginBps!: number;
  @Field(() => [String], { defaultValue: ['tfjs/1'] }) runtimes!: string[];
  @Field(() => [String], { defaultValue: ['wasm', 'cpu'] }) backends!: string[];
  @Field(() => [String], { defaultValue: ['0x0000000000000000000000000000000000000000'] }) tokens!: string[];
  @Field(() => [PoolWindowInput], { defaultValue: [] }) windows!: PoolWindowInput[];
  @Field(() => Int, { defaultValue: 1 }) maxParallelJobs!: number;
}

@InputType({ description: 'Amounts are decimal strings in the smallest unit of the token; windows are seconds.' })
export class OpenOfferInput {
  @Field(() => String) jobSpecReference!: string;
  @Field(() => String, { defaultValue: '0x0000000000000000000000000000000000000000' }) token!: string;
  @Field(() => String) rewardWei!: string;
  @Field(() => String, { defaultValue: '0' }) validationFeeWei!: string;
  @Field(() => String) minStakeWei!: string;
  @Field(() => String, { defaultValue: 'SAMPLED' }) mode!: string;
  @Field(() => Int) fundingWindow!: number;
  @Field(() => Int) bidWindow!: number;
  @Field(() => Int) startWindow!: number;
  @Field(() => Int) trainingWindow!: number;
  @Field(() => Int) challengeWindow!: number;
  @Field(() => [String]) payers!: string[];
  @Field(() => [Int]) units!: number[];
}

@ObjectType({ description: 'A transaction for the caller to check, sign and send. The API holds no key of his.' })
export class UnsignedTransaction {
  @Field(() => Int) chainId!: number;
  @Field(() => String) to!: string;
  @Field(() => String) data!: string;
  @Field(() => String) valueWei!: string;
  @Field(() => String, { description: 'What it does, for a person.' }) summary!: string;
}

@ObjectType()
export class SignInSession {
  @Field(() => String) token!: string;
  @Field(() => String) address!: string;
  @Field(() => String) expiresAt!: string;
}

@ObjectType()
export class Batch extends LogBatch {
  @Field(() => Int) offerId!: number;
}

@ObjectType({ description: 'Where the contracts are.' })
export class Market {
  @Field(() => Int) chainId!: number;
  @Field(() => String) market!: string;
  @Field(() => String) registry!: string;
  @Field(() => String) quorum!: string;
  @Field(() => String) swarmUrl!: string;
  @Field(() => Int, { nullable: true }) indexedBlock!: number | null;
}

export const OfferConnection = connectionOf(Offer, 'Offer');
export const PoolConnection = connectionOf(Pool, 'Pool');
export const JobConnection = connectionOf(TrainingJob, 'TrainingJob');
export const BatchConnection = connectionOf(LogBatch, 'LogBatch');
export const ReceiptConnection = connectionOf(MatchReceipt, 'MatchReceipt');
export const TransactionResult = resultOf('TransactionResult', UnsignedTransaction);
export const PoolResult = resultOf('PoolResult', Pool);
export const SignInResult = resultOf('SignInResult', SignInSession);
