import { Field, Float, GraphQLISODateTime, ID, InputType, Int, ObjectType } from '@nestjs/graphql';
import { connectionOf } from './connection.ts';
import { JobState } from './enums.ts';
import { Reference } from './scalars.ts';

@ObjectType({ description: 'An awarded offer being executed by this deployment.' })
export class TrainingJob {
  @Field(() => ID, { description: 'Name of the job, derived from chain, market and offer.' })
  name!: string;

  @Field(() => Int, { description: 'The offer that is trained.' })
  offerId!: number;

  @Field(() => ID, { description: 'The pool that trains.' })
  poolId!: string;

  @Field(() => JobState, { description: 'Whether it runs, and how it ended.' })
  state!: string;

  @Field(() => Int, { description: 'Batches that are trained so far.' })
  step!: number;

  @Field(() => Int, { description: 'Batches to train.' })
  steps!: number;

  @Field(() => Float, { nullable: true, description: 'Loss of the newest batch.' })
  loss!: number | null;

  @Field(() => Float, { nullable: true, description: "The program's metric on the newest batch, such as accuracy." })
  metric!: number | null;

  @Field(() => Float, { nullable: true, description: 'Accuracy on the test split, 0 to 1; null until it is done.' })
  testAccuracy!: number | null;

  @Field(() => String, { nullable: true, description: 'TensorFlow.js backend that computes, such as `wasm`.' })
  backend!: string | null;

  @Field(() => Int, { description: 'How often the trainer was started.' })
  attempts!: number;

  @Field(() => Reference, { nullable: true, description: 'The training log on Swarm, when it is done.' })
  logReference!: string | null;

  @Field(() => Reference, { nullable: true, description: 'The final state (the model) on Swarm, when it is done.' })
  modelReference!: string | null;

  @Field(() => String, { nullable: true, description: 'Why it failed.' })
  failure!: string | null;

  @Field(() => GraphQLISODateTime, { description: 'When this deployment took the job on.' })
  createdAt!: Date;

  @Field(() => GraphQLISODateTime, { description: 'When anything of the job changed last.' })
  updatedAt!: Date;
}

@InputType({ description: 'Which jobs; all conditions hold together.' })
export class JobFilter {
  @Field(() => [JobState], { nullable: true, description: 'Only jobs in one of these states.' })
  states?: JobState[] | null;

  @Field(() => ID, { nullable: true, description: 'Only jobs of this pool.' })
  poolId?: string | null;
}

@ObjectType({ description: 'One batch of a training log, as kept for charts. The whole log is on Swarm.' })
export class Batch {
  @Field(() => Int, { description: 'The offer that is trained.' })
  offerId!: number;

  @Field(() => Int, { description: 'Number of the batch, from 0.' })
  step!: number;

  @Field(() => Float, { description: 'Loss of the batch, before its update.' })
  loss!: number;

  @Field(() => Float, { description: "The program's metric on the batch, such as accuracy." })
  metric!: number;

  @Field(() => Float, { description: 'Milliseconds that the batch took. Telemetry: not part of the log.' })
  wallMs!: number;
}

export const JobConnection = connectionOf(TrainingJob, 'TrainingJob');
export const BatchConnection = connectionOf(Batch, 'Batch');
