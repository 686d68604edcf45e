import { availabilityWindowSchema, backendNames, runtimes } from '@cotrain/protocol';
import { Inject } from '@nestjs/common';
import { Args, Context, ID, Int, Mutation, Query, Resolver } from '@nestjs/graphql';
import { z } from 'zod';
import { API_CONTEXT, type ApiContext } from '../context.ts';
import type { Pool as PoolRow, Prisma } from '../generated/prisma/client.ts';
import { type Connection, decodeCursor, page, pageSize } from './connection.ts';
import { fail, ForbiddenError, NotFoundError, UnauthenticatedError, ValidationError } from './failures.ts';
import type { RequestContext } from './requests.ts';
import { Pool, PoolConnection, PoolResult, RegisterPoolInput } from './types.ts';

const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'must be an address');

/** Bounds of a pool, whoever registers it. */
const poolSchema = z.object({
  name: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'must be a DNS label: lower-case letters, digits and hyphens'),
  wallet: address,
  gpuCount: z.number().int().min(0).max(100_000),
  gpuMemoryMiB: z
    .number()
    .int()
    .min(0)
    .max(2 ** 24),
  cpuMilli: z
    .number()
    .int()
    .min(1)
    .max(2 ** 30),
  memoryMiB: z
    .number()
    .int()
    .min(1)
    .max(2 ** 30),
  floorPriceWeiPerGpuHour: z.string().regex(/^\d{1,38}$/, 'must be a decimal amount in wei'),
  marginBps: z.number().int().min(0).max(100_000),
  runtimes: z.array(z.enum(runtimes)).min(1).max(8),
  backends: z.array(z.enum(backendNames)).min(1).max(8),
  tokens: z.array(address).min(1).max(32),
  windows: z.array(availabilityWindowSchema).max(64),
  maxParallelJobs: z.number().int().min(1).max(10_000),
});

type Result = Pool | UnauthenticatedError | ForbiddenError | NotFoundError | ValidationError;

/** Pools: read by anyone, changed by their owner. */
@Resolver()
export class PoolResolver {
  constructor(@Inject(API_CONTEXT) private readonly api: ApiContext) {}

  @Query(() => Pool, { nullable: true })
  async pool(@Args('id', { type: () => ID }) id: string): Promise<Pool | null> {
    const row = await this.api.database.prisma.pool.findUnique({ where: { id } });
    return row === null ? null : view(row);
  }

  @Query(() => PoolConnection, { description: 'Pools by id.' })
  async pools(
    @Args('first', { type: () => Int, nullable: true }) first?: number,
    @Args('after', { type: () => String, nullable: true }) after?: string,
    @Args('owner', { type: () => String, nullable: true }) owner?: string,
  ): Promise<Connection<Pool>> {
    const size = pageSize(first);
    const where = owner ? { owner: { equals: owner, mode: 'insensitive' as const } } : {};
    const { prisma } = this.api.database;
    const [rows, total] = await Promise.all([
      prisma.pool.findMany({
        where: { ...where, id: { gt: decodeCursor(after) ?? '' } },
        orderBy: { id: 'asc' },
        take: size + 1,
      }),
      prisma.pool.count({ where }),
    ]);
    return page(rows.map(view), size, total, (pool) => pool.id);
  }

  @Mutation(() => PoolResult, {
    description: 'Registers a pool, or changes the one of that name; the signed-in address owns it.',
  })
  async registerPool(
    @Args('input', { type: () => RegisterPoolInput }) input: RegisterPoolInput,
    @Context() { identity }: RequestContext,
  ): Promise<Result> {
    if (identity === null) return unauthenticated();
    const parsed = poolSchema.safeParse(input);
    if (!parsed.success) {
      const field = parsed.error.issues[0]?.path.map(String).join('.') ?? '';
      return fail(ValidationError, { field, message: `${field}: ${parsed.error.issues[0]?.message ?? 'is wrong'}` });
    }
    const { prisma } = this.api.database;
    const { name } = parsed.data;
    const existing = await prisma.pool.findUnique({ where: { name } });
    if (existing !== null && existing.owner !== identity.address)
      return fail(ForbiddenError, { message: `Pool ${name} belongs to ${existing.owner}.` });
    const data = {
      ...parsed.data,
      windows: parsed.data.windows as unknown as Prisma.InputJsonArray,
      owner: identity.address,
    };
    const row = await prisma.pool.upsert({ where: { name }, create: { id: name, ...data }, update: data });
    this.api.engine.wake();
    return view(row);
  }

  @Mutation(() => PoolResult, { description: 'Pauses a pool (it takes no new work) or resumes it; its owner only.' })
  async setPoolPaused(
    @Args('id', { type: () => ID }) id: string,
    @Args('paused', { type: () => Boolean }) paused: boolean,
    @Context() { identity }: RequestContext,
  ): Promise<Result> {
    if (identity === null) return unauthenticated();
    const { prisma } = this.api.database;
    const existing = await prisma.pool.findUnique({ where: { id } });
    if (existing === null) return fail(NotFoundError, { message: `There is no pool ${id.slice(0, 80)}.` });
    if (existing.owner !== identity.address)
      return fail(ForbiddenError, { message: `Pool ${id} belongs to ${existing.owner}.` });
    const row = await prisma.pool.update({ where: { id }, data: { paused } });
    this.api.engine.wake();
    return view(row);
  }
}

function unauthenticated(): UnauthenticatedError {
  return fail(UnauthenticatedError, { message: 'Sign in first.' });
}

function view(row: PoolRow): Pool {
  return Object.assign(new Pool(), row, { windows: row.windows as unknown as Pool['windows'] });
}
