import { runtimes } from '@cotrain/protocol';
import { Field, GraphQLISODateTime, ID, InputType, Int, ObjectType } from '@nestjs/graphql';
import { connectionOf } from './connection.ts';
import { resultOf } from './failures.ts';
import { listCost } from './query-cost.ts';
import { Address, Wei } from './scalars.ts';

const zeroAddress = `0x${'0'.repeat(40)}`;
const windowFields = {
  days: 'Days on which the window starts: `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`.',
  start: 'Local time at which it starts, `HH:MM`.',
  durationMinutes: 'How long it lasts, in minutes; it may reach into the next day.',
  timeZone: 'IANA time zone of `start`, such as `Europe/Berlin`.',
} as const;
const poolFields = {
  name: 'Name of the pool, a DNS label: lower-case letters, digits and hyphens. The first who takes it owns it.',
  wallet: 'Address that bids, is staked and paid. Its key is in the signer, never here.',
  gpuCount: 'Number of GPUs; 0 for a pool of processors.',
  gpuMemoryMiB: 'Memory of each GPU, in MiB.',
  cpuMilli: 'Processor time, in thousandths of a core.',
  memoryMiB: 'Main memory, in MiB.',
  floorPriceWeiPerGpuHour: 'The least that it takes for an hour of a GPU.',
  marginBps: 'Added to the floor price, in hundredths of a percent.',
  runtimes: 'Runtimes that it can execute: `tfjs/1` on its backends, `exact/1` everywhere.',
  backends: 'TensorFlow.js backends that it has: `tfjs-node-gpu`, `tfjs-node`, `wasm`, `cpu`.',
  tokens: 'Tokens that it accepts as payment; the zero address is ETH.',
  windows: 'When it takes work; always when empty.',
  maxParallelJobs: 'Most jobs at a time.',
} as const;

@ObjectType({ description: 'Hours in which a pool takes work.' })
export class PoolWindow {
  @Field(() => [String], { description: windowFields.days })
  days!: string[];

  @Field(() => String, { description: windowFields.start })
  start!: string;

  @Field(() => Int, { description: windowFields.durationMinutes })
  durationMinutes!: number;

  @Field(() => String, { description: windowFields.timeZone })
  timeZone!: string;
}

@ObjectType({ description: 'Capacity that one operator sells.' })
export class Pool {
  @Field(() => ID, { description: 'The pool; the same as its name.' })
  id!: string;

  @Field(() => String, { description: poolFields.name })
  name!: string;

  @Field(() => Address, { description: 'Who registered it and may change it.' })
  owner!: string;

  @Field(() => Address, { description: poolFields.wallet })
  wallet!: string;

  @Field(() => Int, { description: poolFields.gpuCount })
  gpuCount!: number;

  @Field(() => Int, { description: poolFields.gpuMemoryMiB })
  gpuMemoryMiB!: number;

  @Field(() => Int, { description: poolFields.cpuMilli })
  cpuMilli!: number;

  @Field(() => Int, { description: poolFields.memoryMiB })
  memoryMiB!: number;

  @Field(() => Wei, { description: poolFields.floorPriceWeiPerGpuHour })
  floorPriceWeiPerGpuHour!: string;

  @Field(() => Int, { description: poolFields.marginBps })
  marginBps!: number;

  @Field(() => [String], { description: poolFields.runtimes })
  runtimes!: string[];

  @Field(() => [String], { description: poolFields.backends })
  backends!: string[];

  @Field(() => [Address], { description: poolFields.tokens })
  tokens!: string[];

  @Field(() => [PoolWindow], { complexity: listCost, description: poolFields.windows })
  windows!: PoolWindow[];

  @Field(() => Int, { description: poolFields.maxParallelJobs })
  maxParallelJobs!: number;

  @Field(() => Boolean, { description: 'Whether it takes no new work at present.' })
  paused!: boolean;

  @Field(() => Int, { description: 'Bids and jobs that hold capacity of it now.' })
  reservedJobs!: number;

  @Field(() => Int, { description: 'GPU-seconds that they hold together.' })
  reservedGpuSeconds!: number;

  @Field(() => GraphQLISODateTime, { description: 'When it was registered.' })
  createdAt!: Date;

  @Field(() => GraphQLISODateTime, { description: 'When it was changed last.' })
  updatedAt!: Date;
}

@InputType({ description: 'Which pools; all conditions hold together.' })
export class PoolFilter {
  @Field(() => Address, { nullable: true, description: 'Only pools of this owner.' })
  owner?: string | null;

  @Field(() => Boolean, { nullable: true, description: 'Only pools that are (not) paused.' })
  paused?: boolean | null;
}

@InputType({ description: 'Hours in which a pool takes work.' })
export class PoolWindowInput {
  @Field(() => [String], { description: windowFields.days })
  days!: string[];

  @Field(() => String, { description: windowFields.start })
  start!: string;

  @Field(() => Int, { description: windowFields.durationMinutes })
  durationMinutes!: number;

  @Field(() => String, { description: windowFields.timeZone })
  timeZone!: string;
}

@InputType({ description: 'A pool as its operator describes it.' })
export class RegisterPoolInput {
  @Field(() => String, { description: poolFields.name })
  name!: string;

  @Field(() => Address, { description: `${poolFields.wallet} Must be the signed-in address.` })
  wallet!: string;

  @Field(() => Int, { description: poolFields.gpuCount })
  gpuCount!: number;

  @Field(() => Int, { description: poolFields.gpuMemoryMiB })
  gpuMemoryMiB!: number;

  @Field(() => Int, { description: poolFields.cpuMilli })
  cpuMilli!: number;

  @Field(() => Int, { description: poolFields.memoryMiB })
  memoryMiB!: number;

  @Field(() => Wei, { description: poolFields.floorPriceWeiPerGpuHour })
  floorPriceWeiPerGpuHour!: string;

  @Field(() => Int, { defaultValue: 0, description: poolFields.marginBps })
  marginBps!: number;

  @Field(() => [String], { defaultValue: [...runtimes], description: poolFields.runtimes })
  runtimes!: string[];

  @Field(() => [String], { defaultValue: ['wasm', 'cpu'], description: poolFields.backends })
  backends!: string[];

  @Field(() => [Address], { defaultValue: [zeroAddress], description: poolFields.tokens })
  tokens!: string[];

  @Field(() => [PoolWindowInput], { defaultValue: [], description: poolFields.windows })
  windows!: PoolWindowInput[];

  @Field(() => Int, { defaultValue: 1, description: poolFields.maxParallelJobs })
  maxParallelJobs!: number;
}

export const PoolConnection = connectionOf(Pool, 'Pool');
export const PoolResult = resultOf('PoolResult', Pool);
