import { Field, GraphQLISODateTime, Int, ObjectType } from '@nestjs/graphql';
import { Address, Wei } from './scalars.ts';

@ObjectType({ description: 'Where the contracts are, and how far this deployment has read the chain.' })
export class Market {
  @Field(() => Int, { description: 'Chain of the contracts; sign-in messages must name it too.' })
  chainId!: number;

  @Field(() => Address, { description: 'TrainingMarket: offers, bids, escrow, settlement.' })
  market!: string;

  @Field(() => Address, { description: "TrainerRegistry: trainers' stakes." })
  registry!: string;

  @Field(() => Address, { description: "SampledQuorum: the validators' stakes and votes." })
  quorum!: string;

  @Field(() => [String], { description: 'Verification modes that an offer can choose.' })
  modes!: string[];

  @Field(() => String, { description: 'Swarm HTTP API that documents are uploaded to and read from.' })
  swarmUrl!: string;

  @Field(() => Int, { nullable: true, description: 'Newest block that is indexed; null before the first.' })
  indexedBlock!: number | null;

  @Field(() => Int, { nullable: true, description: 'Newest block of the chain that was seen; null before the first.' })
  headBlock!: number | null;
}

@ObjectType({ description: 'Money of an address in the contracts, read from the newest block.' })
export class Account {
  @Field(() => Address, { description: 'The address.' })
  address!: string;

  @Field(() => Wei, { description: "Trainer's stake that backs no award at present." })
  freeStakeWei!: string;

  @Field(() => Wei, { description: "Trainer's stake that is locked for awards." })
  lockedStakeWei!: string;

  @Field(() => Wei, { description: "Trainer's stake that is being unbonded." })
  unbondingStakeWei!: string;

  @Field(() => GraphQLISODateTime, { nullable: true, description: 'When the unbonding stake can be withdrawn.' })
  withdrawableAt!: Date | null;

  @Field(() => Wei, { description: 'Stake as a validator; 0 when the address is none.' })
  validatorStakeWei!: string;

  @Field(() => Wei, { description: 'What the market owes it in the asked token, ready to be withdrawn.' })
  marketCreditWei!: string;

  @Field(() => Wei, { description: 'What the quorum owes it in the asked token, ready to be withdrawn.' })
  quorumCreditWei!: string;
}
