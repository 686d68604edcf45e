import { Field, GraphQLISODateTime, ID, InputType, Int, ObjectType } from '@nestjs/graphql';
import { connectionOf } from './connection.ts';
import { OfferState, Verdict, Vote } from './enums.ts';
import { TrainingJob } from './job-types.ts';
import { listCost, receiptCost } from './query-cost.ts';
import { Address, Hash, Reference, UInt32, UInt64, Wei } from './scalars.ts';

@ObjectType({ description: 'Somebody who pays a share of an offer.' })
export class Payer {
  @Field(() => Address, { description: 'Address that pays and is refunded.' })
  payer!: string;

  @Field(() => UInt32, { description: "His share, in parts of the sum of all payers' units." })
  units!: number;

  @Field(() => Wei, { nullable: true, description: 'What he paid; null before.' })
  paidWei!: string | null;

  @Field(() => Wei, { nullable: true, description: 'What he claimed back in the token of the offer; null before.' })
  refundedWei!: string | null;
}

@ObjectType({ description: "A trainer's price for an offer." })
export class Bid {
  @Field(() => Address, { description: 'Wallet of the pool that bids.' })
  trainer!: string;

  @Field(() => Wei, { description: 'What it asks for the training.' })
  priceWei!: string;

  @Field(() => Boolean, { description: 'Whether better bids have pushed it out of the three that are kept.' })
  displaced!: boolean;

  @Field(() => Boolean, { description: 'Whether it won and did not start in time; its bond went to the payers.' })
  forfeited!: boolean;
}

@ObjectType({ description: 'Vote of a drawn validator.' })
export class ValidatorVote {
  @Field(() => Address, { description: 'The validator.' })
  validator!: string;

  @Field(() => Boolean, { description: 'Whether he has committed to a vote, still hidden.' })
  committed!: boolean;

  @Field(() => Vote, { nullable: true, description: 'The vote; null until it is revealed.' })
  vote!: number | null;

  @Field(() => Hash, {
    nullable: true,
    description: 'Hash of what only the re-execution yields, revealed with the vote.',
  })
  evidence!: string | null;
}

@ObjectType({ description: 'One draw of validators and segments, with the votes on them.' })
export class VerificationRound {
  @Field(() => Int, { description: 'Number of the round; a redraw and a challenge open another one.' })
  round!: number;

  @Field(() => Int, { description: 'Block whose hash draws; fixed before it was known.' })
  drawBlock!: number;

  @Field(() => [Address], { description: 'Drawn by stake; empty before the draw.' })
  validators!: string[];

  @Field(() => [Int], { description: 'Segments of the log that are executed again; empty before the draw.' })
  segments!: number[];

  @Field(() => GraphQLISODateTime, { nullable: true, description: 'Until when votes are committed.' })
  commitDeadline!: Date | null;

  @Field(() => GraphQLISODateTime, { nullable: true, description: 'Until when votes are revealed.' })
  revealDeadline!: Date | null;

  @Field(() => [ValidatorVote], { complexity: listCost, description: 'One entry for each drawn validator.' })
  votes!: ValidatorVote[];

  @Field(() => Verdict, { nullable: true, description: 'What the round came to; null while it runs.' })
  verdict!: number | null;

  @Field(() => Address, { nullable: true, description: 'Who challenged and so opened this round; null otherwise.' })
  challenger!: string | null;
}

@ObjectType({ description: 'What the job is, fixed when the offer opens. Its keccak256 is `jobHeaderHash`.' })
export class JobHeader {
  @Field(() => Reference, { description: 'The JobSpec document.' })
  jobSpecReference!: string;

  @Field(() => Reference, { description: 'The program: model, optimizer, loss, metrics.' })
  programReference!: string;

  @Field(() => Reference, { description: 'The rows to train on, in a fixed stride.' })
  trainingViewReference!: string;

  @Field(() => Reference, { description: 'Parameters and optimizer slots before the first batch.' })
  initialStateReference!: string;

  @Field(() => UInt64, { description: 'Rows in the training view.' })
  rows!: string;

  @Field(() => UInt32, { description: 'Bytes of a row.' })
  rowBytes!: number;

  @Field(() => UInt64, { description: 'Seed of everything random: row order, dropout.' })
  seed!: string;

  @Field(() => Int, { description: 'Batches to train.' })
  steps!: number;

  @Field(() => UInt32, { description: 'Rows of a batch.' })
  batchSize!: number;

  @Field(() => Int, { description: 'Batches of a segment: how often the log holds a state root.' })
  commitEvery!: number;
}

@ObjectType({ description: 'Terms of an offer, fixed when it opens.' })
export class OfferTerms {
  @Field(() => Address, { description: 'Token that is paid in; the zero address is ETH.' })
  token!: string;

  @Field(() => Wei, { description: 'The most that the payers pay for the training; escrowed in full.' })
  rewardWei!: string;

  @Field(() => Wei, { description: 'Escrowed beside the reward for the validators, whatever their verdict.' })
  validationFeeWei!: string;

  @Field(() => Address, { description: 'Contract that decides whether the work is valid.' })
  verifier!: string;

  @Field(() => Wei, { description: 'ETH that the winner has at stake for this award.' })
  minStakeWei!: string;

  @Field(() => Int, { description: "Seconds to collect every payer's share." })
  fundingWindow!: number;

  @Field(() => Int, { description: 'Seconds for bids, from full funding on.' })
  bidWindow!: number;

  @Field(() => Int, { description: 'Seconds for the winner to start.' })
  startWindow!: number;

  @Field(() => Int, { description: 'Seconds for the training, from the start to the commitment.' })
  trainingWindow!: number;

  @Field(() => Int, { description: 'Seconds for challenges before payment.' })
  challengeWindow!: number;
}

@ObjectType({ description: 'A public, on-chain request to train, with an escrowed reward.' })
export class Offer {
  @Field(() => Int, { description: 'Number of the offer in the market contract.' })
  id!: number;

  @Field(() => OfferState, { description: 'Where the offer stands.' })
  state!: string;

  @Field(() => Address, { description: 'Who opened it.' })
  requester!: string;

  @Field(() => Hash, { description: 'keccak256 of the ABI-encoded JobHeader.' })
  jobHeaderHash!: string;

  @Field(() => JobHeader, { description: 'What is to be trained.' })
  header!: JobHeader;

  @Field(() => OfferTerms, { description: 'Money and times.' })
  terms!: OfferTerms;

  @Field(() => Wei, { description: 'The most that the training may cost, in `terms.token`.' })
  rewardWei!: string;

  @Field(() => GraphQLISODateTime, { description: 'Time of the block that opened it.' })
  openedAt!: Date;

  @Field(() => Int, { description: 'Block of the newest event that concerns it.' })
  updatedAtBlock!: number;

  @Field(() => GraphQLISODateTime, {
    nullable: true,
    description: 'When the present state times out; null when it has no fixed end.',
  })
  deadline!: Date | null;

  @Field(() => Address, { nullable: true, description: 'Wallet of the pool that holds the award.' })
  trainer!: string | null;

  @Field(() => Wei, { nullable: true, description: 'Price of the award.' })
  priceWei!: string | null;

  @Field(() => Reference, { nullable: true, description: 'The committed training log.' })
  logReference!: string | null;

  @Field(() => Reference, { nullable: true, description: 'The committed model: the last state root.' })
  modelReference!: string | null;

  @Field(() => Verdict, { nullable: true, description: 'What the verifier says; null before a round is tallied.' })
  verdict!: number | null;

  @Field(() => GraphQLISODateTime, { nullable: true, description: 'Until when the commitment can be challenged.' })
  challengeEndsAt!: Date | null;

  @Field(() => Wei, { nullable: true, description: 'What the trainer was paid; null before settlement.' })
  paidWei!: string | null;

  @Field(() => Wei, { nullable: true, description: 'What the payers can claim together, in the token of the offer.' })
  refundableWei!: string | null;

  @Field(() => Wei, {
    nullable: true,
    description: 'What the payers can claim together in ETH, such as forfeited bonds.',
  })
  refundableEtherWei!: string | null;

  @Field(() => Wei, { nullable: true, description: 'Stake that was slashed.' })
  slashedWei!: string | null;

  @Field(() => [Payer], { complexity: listCost, description: 'Who pays, in the order of opening; at most 64.' })
  payers!: Payer[];

  @Field(() => [Bid], { complexity: listCost, description: 'Bids in the order of their placement.' })
  bids!: Bid[];

  @Field(() => [VerificationRound], { complexity: listCost, description: 'Rounds of verification, the first first.' })
  rounds!: VerificationRound[];

  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether its documents were found and are valid; null before they were read.',
  })
  matchable!: boolean | null;

  @Field(() => String, { nullable: true, description: 'Why it cannot be matched.' })
  unmatchableReason!: string | null;

  @Field(() => String, { nullable: true, description: 'The JobSpec as JSON, when its document was found valid.' })
  jobSpecJson!: string | null;

  @Field(() => TrainingJob, { nullable: true, description: 'Its execution, when a pool of this deployment trains it.' })
  job!: TrainingJob | null;
}

@InputType({ description: 'Which offers; all conditions hold together.' })
export class OfferFilter {
  @Field(() => [OfferState], { nullable: true, description: 'Only offers in one of these states.' })
  states?: OfferState[] | null;

  @Field(() => Address, { nullable: true, description: 'Only offers that this address opened.' })
  requester?: string | null;

  @Field(() => Address, { nullable: true, description: 'Only offers that name this address as a payer.' })
  payer?: string | null;

  @Field(() => Address, { nullable: true, description: 'Only offers that this wallet has bid for.' })
  bidder?: string | null;

  @Field(() => Address, { nullable: true, description: 'Only offers whose award this wallet holds.' })
  trainer?: string | null;
}

@ObjectType({ description: 'An event of the contracts that concerns an offer, with the transaction that caused it.' })
export class OfferTransaction {
  @Field(() => ID, { description: 'Block and log index of the event.' })
  id!: string;

  @Field(() => String, { description: 'Name of the event, such as `BidPlaced`.' })
  name!: string;

  @Field(() => Hash, { description: 'Hash of the transaction.' })
  hash!: string;

  @Field(() => Int, { description: 'Block of the transaction.' })
  blockNumber!: number;

  @Field(() => GraphQLISODateTime, { description: 'Time of that block.' })
  minedAt!: Date;
}

@ObjectType({ description: 'Why a pool was chosen for an offer, or why none was. Anyone can replay it.' })
export class MatchReceipt {
  @Field(() => ID, { description: 'Offer and start of the hash of the inputs.' })
  id!: string;

  @Field(() => Int, { description: 'The offer that was matched.' })
  offerId!: number;

  @Field(() => Hash, {
    description: 'keccak256 of offer, pools and time in canonical JSON: what the decision followed from.',
  })
  inputsHash!: string;

  @Field(() => ID, { nullable: true, description: 'The chosen pool; null when every pool was rejected.' })
  poolId!: string | null;

  @Field(() => Wei, { nullable: true, description: 'What it bids.' })
  priceWei!: string | null;

  @Field(() => String, {
    complexity: receiptCost,
    description: 'The whole receipt as JSON: decision, rejected pools with their reasons, inputs.',
  })
  readonly receiptJson!: Promise<string>;

  @Field(() => GraphQLISODateTime, { description: 'When it was stored.' })
  createdAt!: Date;
}

export const OfferConnection = connectionOf(Offer, 'Offer');
export const OfferTransactionConnection = connectionOf(OfferTransaction, 'OfferTransaction');
export const ReceiptConnection = connectionOf(MatchReceipt, 'MatchReceipt');
