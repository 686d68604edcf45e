import { availabilityWindowSchema, backendNames, describeIssue, runtimes } from '@cotrain/protocol';
import { Inject } from '@nestjs/common';
import { Args, Context, ID, Mutation, Query, Resolver } from '@nestjs/graphql';
import { z } from 'zod';
import { API_CONTEXT, type ApiContext } from '../context.ts';
import type { Pool as PoolRow, Prisma } from '../generated/prisma/client.ts';
import { type Connection, type Order, PageArguments, paginate } from './connection.ts';
import {
  type AnyFailure,
  fail,
  ForbiddenError,
  invalid,
  NotFoundError,
  unauthenticated,
  UnavailableError,
} from './failures.ts';
import { Pool, PoolConnection, PoolFilter, PoolResult, RegisterPoolInput } from './pool-types.ts';
import { SignerUnavailableError } from '../signer/signer-client.ts';
import { limitRate, type RequestContext } from './requests.ts';

const maxPoolsOfOwner = 100;
/** A DNS label; anything else is the name of no pool. */
export const poolName = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const poolOrder: Order = { name: 'pools', columns: [{ column: 'id', kind: 'text', descending: false }] };

/** Bounds of a pool, whoever registers it; what a scalar of the schema has checked is not checked again. */
const poolSchema = z.object({
  name: z.string().regex(poolName, 'must be a DNS label: lower-case letters, digits and hyphens'),
  wallet: z.string(),
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
  floorPriceWeiPerGpuHour: z.string().max(38, 'must have at most 38 digits'),
  marginBps: z.number().int().min(0).max(100_000),
  runtimes: z.array(z.enum(runtimes)).min(1).max(8),
  backends: z.array(z.enum(backendNames)).min(1).max(8),
  tokens: z.array(z.string()).min(1).max(32),
  windows: z.array(availabilityWindowSchema).max(64),
  maxParallelJobs: z.number().int().min(1).max(10_000),
});

/** Pools: read by anyone, changed by their owner. */
@Resolver()
export class PoolResolver {
  constructor(@Inject(API_CONTEXT) private readonly api: ApiContext) {}

  @Query(() => Pool, { nullable: true, description: 'One pool; null when there is none. Anyone.' })
  async pool(
    @Args('id', { type: () => ID, description: 'Id (the name) of the pool.' }) id: string,
  ): Promise<Pool | null> {
    if (!poolName.test(id)) return null;
    const row = await this.api.database.prisma.pool.findUnique({ where: { id } });
    return row === null ? null : ((await this.view([row]))[0] ?? null);
  }

  @Query(() => PoolConnection, { description: 'Pools, sorted by id. Anyone.' })
  async pools(
    @Args() page: PageArguments,
    @Args('filter', { type: () => PoolFilter, nullable: true, description: 'All pools unless given.' })
    filter?: PoolFilter | null,
  ): Promise<Connection<Pool>> {
    const { pool } = this.api.database.prisma;
    const matching: Prisma.PoolWhereInput = {
      ...(filter?.owner == null ? {} : { owner: filter.owner }),
      ...(filter?.paused == null ? {} : { paused: filter.paused }),
    };
    return paginate({
      page,
      order: poolOrder,
      find: ({ where, ...query }) => pool.findMany({ where: { AND: [matching, where] }, ...query }),
      count: () => pool.count({ where: matching }),
      view: (rows) => this.view(rows),
    });
  }

  @Mutation(() => PoolResult, {
    description:
      "Registers a pool, or changes the caller's pool of that name. The pool's wallet must be the signed-in address: it is that wallet's money that will be bid, and the API's signer must hold its key. Any signed-in address; to change a pool, its owner.",
  })
  async registerPool(
    @Args('input', { type: () => RegisterPoolInput, description: 'The pool as it shall be.' }) input: RegisterPoolInput,
    @Context() { identity }: RequestContext,
  ): Promise<Pool | AnyFailure> {
    if (identity === null) return unauthenticated();
    limitRate(this.api.limiters.register, identity.address);
    const parsed = poolSchema.safeParse(input);
    if (!parsed.success) {
      const { field, reason } = describeIssue(parsed.error, input);
      return invalid(field === '' ? 'input' : field, reason);
    }
    const { name, wallet } = parsed.data;
    const owner = identity.address;
    if (wallet !== owner)
      return fail(ForbiddenError, {
        message: `wallet is ${wallet}, but ${owner} is signed in. Sign in with the wallet that the pool bids with.`,
      });
    const refusal = await this.refuseUnsigned(wallet);
    if (refusal !== null) return refusal;
    const data = { ...parsed.data, windows: parsed.data.windows as unknown as Prisma.InputJsonArray, owner };
    const { prisma } = this.api.database;
    // The name's key decides between two who take it at the same time; only the owner's row is ever changed.
    const known = await prisma.pool.findUnique({ where: { name } });
    if (known === null) {
      if ((await prisma.pool.count({ where: { owner } })) >= maxPoolsOfOwner)
        return invalid('name', `${owner} has ${String(maxPoolsOfOwner)} pools already, the most of one owner.`);
      await prisma.pool.createMany({ data: [{ id: name, ...data }], skipDuplicates: true });
    }
    await prisma.pool.updateMany({ where: { name, owner }, data });
    const row = await prisma.pool.findUniqueOrThrow({ where: { name } });
    if (row.owner !== owner) return fail(ForbiddenError, { message: `Pool ${name} belongs to ${row.owner}.` });
    this.api.engine.wake();
    return (await this.view([row]))[0] ?? unknownPool(name);
  }

  /** Why no pool can bid with this wallet here: a pool that never bids is of no use to its owner. Null when it can. */
  private async refuseUnsigned(wallet: string): Promise<AnyFailure | null> {
    try {
      const accounts = await this.api.signer.accounts();
      if (accounts.some((account) => account.toLowerCase() === wallet.toLowerCase())) return null;
      return invalid(
        'wallet',
        `the signer of this API does not hold the key of ${wallet}, so the pool could not bid. Have its operator add the key, or run the pool with an API and a signer of your own: \`cotrain pool run\`.`,
      );
    } catch (error) {
      if (error instanceof SignerUnavailableError)
        return fail(UnavailableError, {
          message: 'The signer does not answer now, so it is not known whose keys it holds; try again.',
        });
      throw error;
    }
  }

  @Mutation(() => PoolResult, {
    description: 'Pauses a pool (it takes no new work; what runs goes on) or resumes it. The owner of the pool.',
  })
  async setPoolPaused(
    @Args('id', { type: () => ID, description: 'Id (the name) of the pool.' }) id: string,
    @Args('paused', { type: () => Boolean, description: 'Whether it takes no new work.' }) paused: boolean,
    @Context() { identity }: RequestContext,
  ): Promise<Pool | AnyFailure> {
    if (identity === null) return unauthenticated();
    if (!poolName.test(id)) return unknownPool(id);
    const { prisma } = this.api.database;
    const known = await prisma.pool.findUnique({ where: { id } });
    if (known === null) return unknownPool(id);
    if (known.owner !== identity.address)
      return fail(ForbiddenError, { message: `Pool ${id} belongs to ${known.owner}.` });
    const row = await prisma.pool.update({ where: { id }, data: { paused } });
    this.api.engine.wake();
    return (await this.view([row]))[0] ?? unknownPool(id);
  }

  /** Rows with what is reserved of them. */
  private async view(rows: readonly PoolRow[]): Promise<Pool[]> {
    const held = await this.api.database.prisma.reservation.groupBy({
      by: ['poolId'],
      where: { state: 'held', poolId: { in: rows.map(({ id }) => id) } },
      _count: true,
      _sum: { gpuSeconds: true },
    });
    const heldOf = new Map(held.map((each) => [each.poolId, each]));
    return rows.map((row) =>
      Object.assign(new Pool(), row, {
        windows: row.windows as unknown as Pool['windows'],
        reservedJobs: heldOf.get(row.id)?._count ?? 0,
        reservedGpuSeconds: Math.min(2 ** 31 - 1, heldOf.get(row.id)?._sum.gpuSeconds ?? 0),
      }),
    );
  }
}

function unknownPool(id: string): NotFoundError {
  return fail(NotFoundError, { message: `There is no pool ${id.slice(0, 80)}.` });
}
