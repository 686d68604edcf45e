import { Field, InputType, Int, ObjectType } from '@nestjs/graphql';
import { resultOf } from './failures.ts';
import { Address, Bytes, Reference, UInt32, Wei } from './scalars.ts';

const zeroAddress = `0x${'0'.repeat(40)}`;

@InputType({
  description: 'An offer to open. Amounts are in the smallest unit of the token; windows are seconds, at most a year.',
})
export class OpenOfferInput {
  @Field(() => Reference, { description: 'The JobSpec on Swarm; the JobHeader is derived from it and its dataset.' })
  jobSpecReference!: string;

  @Field(() => Address, { defaultValue: zeroAddress, description: 'Token to pay in; the zero address is ETH.' })
  token!: string;

  @Field(() => Wei, { description: 'The most that the training may cost; what it exceeds the price is refunded.' })
  rewardWei!: string;

  @Field(() => Wei, { defaultValue: '0', description: 'For the validators, paid beside the reward.' })
  validationFeeWei!: string;

  @Field(() => Wei, { description: 'ETH that the trainer must have at stake.' })
  minStakeWei!: string;

  @Field(() => String, {
    defaultValue: 'SAMPLED',
    description: 'How the work is checked; `market { modes }` lists what is offered.',
  })
  mode!: string;

  @Field(() => Int, { description: "To collect every payer's share." })
  fundingWindow!: number;

  @Field(() => Int, { description: 'For the pools to bid, from full funding on.' })
  bidWindow!: number;

  @Field(() => Int, { description: 'For the winner to start, from the award on.' })
  startWindow!: number;

  @Field(() => Int, { description: 'For the training, from the start to the commitment.' })
  trainingWindow!: number;

  @Field(() => Int, { description: 'For challenges, before payment.' })
  challengeWindow!: number;

  @Field(() => [Address], { description: 'Who pays: 1 to 64 addresses, none twice.' })
  payers!: string[];

  @Field(() => [UInt32], {
    description: "Each payer's share in parts of the sum, in the order of `payers`; at least 1 each.",
  })
  units!: number[];
}

@ObjectType({ description: 'A transaction for the caller to check, sign and send. The API holds no key of his.' })
export class UnsignedTransaction {
  @Field(() => Int, { description: 'Chain to send it to.' })
  chainId!: number;

  @Field(() => Address, { description: 'Contract that is called.' })
  to!: string;

  @Field(() => Bytes, { description: 'Call data.' })
  data!: string;

  @Field(() => Wei, { description: 'ETH to send along.' })
  valueWei!: string;

  @Field(() => String, {
    description: 'What it does, in words and full amounts, for a person to check before he signs.',
  })
  summary!: string;
}

export const TransactionResult = resultOf('TransactionResult', UnsignedTransaction);
