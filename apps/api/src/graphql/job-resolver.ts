import { Inject } from '@nestjs/common';
import { Args, Int, Query, Resolver } from '@nestjs/graphql';
import { API_CONTEXT, type ApiContext } from '../context.ts';
import type { Prisma } from '../generated/prisma/client.ts';
import { type Connection, type Order, PageArguments, paginate } from './connection.ts';
import { Batch, BatchConnection, JobConnection, JobFilter, TrainingJob } from './job-types.ts';
import { jobView } from './offer-view.ts';
import { poolName } from './pool-resolver.ts';

const jobOrder: Order = { name: 'jobs', columns: [{ column: 'offerId', kind: 'integer', descending: true }] };
const batchOrder: Order = { name: 'batches', columns: [{ column: 'step', kind: 'integer', descending: false }] };

/** Training jobs of this deployment and their batches. Open to anyone. */
@Resolver()
export class JobResolver {
  constructor(@Inject(API_CONTEXT) private readonly api: ApiContext) {}

  @Query(() => TrainingJob, {
    nullable: true,
    description: 'The training job of an offer; null when no pool of this deployment trains it. Anyone.',
  })
  async job(
    @Args('offerId', { type: () => Int, description: 'Number of the offer.' }) offerId: number,
  ): Promise<TrainingJob | null> {
    return jobView(await this.api.database.prisma.trainingJob.findUnique({ where: { offerId } }));
  }

  @Query(() => JobConnection, { description: 'Training jobs of this deployment, newest offer first. Anyone.' })
  async jobs(
    @Args() page: PageArguments,
    @Args('filter', { type: () => JobFilter, nullable: true, description: 'All jobs unless given.' })
    filter?: JobFilter | null,
  ): Promise<Connection<TrainingJob>> {
    const { trainingJob } = this.api.database.prisma;
    const matching: Prisma.TrainingJobWhereInput = {
      ...(filter?.states == null ? {} : { state: { in: filter.states } }),
      ...(filter?.poolId == null ? {} : { poolId: poolName.test(filter.poolId) ? filter.poolId : '' }),
    };
    return paginate({
      page,
      order: jobOrder,
      find: ({ where, ...query }) => trainingJob.findMany({ where: { AND: [matching, where] }, ...query }),
      count: () => trainingJob.count({ where: matching }),
      view: (rows): TrainingJob[] => [...rows],
    });
  }

  @Query(() => BatchConnection, {
    description: 'Batches of a training log that were kept for charts, in order; the whole log is on Swarm. Anyone.',
  })
  async batches(
    @Args('offerId', { type: () => Int, description: 'Number of the offer.' }) offerId: number,
    @Args() page: PageArguments,
  ): Promise<Connection<Batch>> {
    const { logBatch } = this.api.database.prisma;
    return paginate({
      page,
      order: batchOrder,
      find: ({ where, ...query }) => logBatch.findMany({ where: { AND: [{ offerId }, where] }, ...query }),
      count: () => logBatch.count({ where: { offerId } }),
      view: (rows): Batch[] => [...rows],
    });
  }
}
