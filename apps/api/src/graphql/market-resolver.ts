import { Inject } from '@nestjs/common';
import { Args, Int, Query, Resolver, Subscription } from '@nestjs/graphql';
import { API_CONTEXT, type ApiContext } from '../context.ts';
import { type Connection, decodeCursor, page, pageSize } from './connection.ts';
import { offerRelations, offersView } from './offer-view.ts';
import {
  Batch,
  BatchConnection,
  JobConnection,
  type LogBatch,
  Market,
  type MatchReceipt,
  Offer,
  OfferConnection,
  OfferStateFilter,
  OfferTransaction,
  ReceiptConnection,
  TrainingJob,
} from './types.ts';

const mediumInt = { type: () => Int, nullable: true } as const;
const optionalText = { type: () => String, nullable: true } as const;

/** Reads what the chain says and what this deployment does about it. Open to anyone. */
@Resolver()
export class MarketResolver {
  constructor(@Inject(API_CONTEXT) private readonly api: ApiContext) {}

  @Query(() => Market, { description: 'Chain, contracts and Swarm endpoint of this deployment.' })
  market(): Market {
    const { deployment, swarm, indexer } = this.api;
    return {
      chainId: deployment.chainId,
      market: deployment.market,
      registry: deployment.registry,
      quorum: deployment.quorum,
      swarmUrl: swarm.url,
      indexedBlock: indexer.status().cursor,
    };
  }

  @Query(() => Offer, { nullable: true })
  async offer(@Args('id', { type: () => Int }) id: number): Promise<Offer | null> {
    const row = await this.api.database.prisma.offer.findUnique({ where: { id }, include: offerRelations });
    return row === null ? null : ((await offersView([row], this.api.database))[0] ?? null);
  }

  @Query(() => OfferConnection, { description: 'Offers, newest first unless `oldestFirst`.' })
  async offers(
    @Args('first', mediumInt) first?: number,
    @Args('after', optionalText) after?: string,
    @Args('state', { type: () => [OfferStateFilter], nullable: true }) state?: OfferStateFilter[],
    @Args('payer', optionalText) payer?: string,
    @Args('requester', optionalText) requester?: string,
    @Args('oldestFirst', { type: () => Boolean, nullable: true }) oldestFirst?: boolean,
  ): Promise<Connection<Offer>> {
    const size = pageSize(first);
    const cursor = Number(decodeCursor(after) ?? Number.NaN);
    const filter = {
      ...(state ? { state: { in: state as string[] } } : {}),
      ...(requester ? { requester: { equals: requester, mode: 'insensitive' as const } } : {}),
      ...(payer ? { payers: { some: { payer: { equals: payer, mode: 'insensitive' as const } } } } : {}),
    };
    const beyond = Number.isInteger(cursor) ? { id: oldestFirst ? { gt: cursor } : { lt: cursor } } : {};
    const { prisma } = this.api.database;
    const [rows, total] = await Promise.all([
      prisma.offer.findMany({
        where: { ...filter, ...beyond },
        include: offerRelations,
        orderBy: { id: oldestFirst ? 'asc' : 'desc' },
        take: size + 1,
      }),
      prisma.offer.count({ where: filter }),
    ]);
    return page(await offersView(rows, this.api.database), size, total, (offer) => String(offer.id));
  }

  @Query(() => [OfferTransaction], {
    description: 'Transactions whose events concern the offer, in chain order; at most 500.',
  })
  async offerTransactions(@Args('offerId', { type: () => Int }) offerId: number): Promise<OfferTransaction[]> {
    const events = await this.api.database.prisma.chainEvent.findMany({
      where: { offerId },
      orderBy: [{ blockNumber: 'asc' }, { logIndex: 'asc' }],
      take: 500,
    });
    return events.map(({ eventName, transactionHash, blockNumber }) => ({
      name: eventName,
      hash: transactionHash,
      blockNumber,
    }));
  }

  @Query(() => TrainingJob, { nullable: true })
  async job(@Args('offerId', { type: () => Int }) offerId: number): Promise<TrainingJob | null> {
    return this.api.database.prisma.trainingJob.findUnique({ where: { offerId } });
  }

  @Query(() => JobConnection)
  async jobs(
    @Args('first', mediumInt) first?: number,
    @Args('after', optionalText) after?: string,
    @Args('state', optionalText) state?: string,
  ): Promise<Connection<TrainingJob>> {
    const size = pageSize(first);
    const cursor = Number(decodeCursor(after) ?? Number.NaN);
    const where = state ? { state } : {};
    const { prisma } = this.api.database;
    const [rows, total] = await Promise.all([
      prisma.trainingJob.findMany({
        where: { ...where, ...(Number.isInteger(cursor) ? { offerId: { lt: cursor } } : {}) },
        orderBy: { offerId: 'desc' },
        take: size + 1,
      }),
      prisma.trainingJob.count({ where }),
    ]);
    return page<TrainingJob>(rows, size, total, (job) => String(job.offerId));
  }

  @Query(() => BatchConnection, { description: 'Batches that were kept for charts; the whole log is on Swarm.' })
  async batches(
    @Args('offerId', { type: () => Int }) offerId: number,
    @Args('first', mediumInt) first?: number,
    @Args('after', optionalText) after?: string,
  ): Promise<Connection<LogBatch>> {
    const size = pageSize(first);
    const cursor = Number(decodeCursor(after) ?? Number.NaN);
    const { prisma } = this.api.database;
    const [rows, total] = await Promise.all([
      prisma.logBatch.findMany({
        where: { offerId, ...(Number.isInteger(cursor) ? { step: { gt: cursor } } : {}) },
        orderBy: { step: 'asc' },
        take: size + 1,
      }),
      prisma.logBatch.count({ where: { offerId } }),
    ]);
    return page<LogBatch>(rows, size, total, (batch) => String(batch.step));
  }

  @Query(() => ReceiptConnection, { description: 'Match receipts of an offer, newest first.' })
  async matchReceipts(
    @Args('offerId', { type: () => Int }) offerId: number,
    @Args('first', mediumInt) first?: number,
    @Args('after', optionalText) after?: string,
  ): Promise<Connection<MatchReceipt>> {
    const size = pageSize(first);
    const cursor = decodeCursor(after);
    const { prisma } = this.api.database;
    const before = cursor === null ? {} : { createdAt: { lt: new Date(Number(cursor)) } };
    const [rows, total] = await Promise.all([
      prisma.matchReceipt.findMany({ where: { offerId, ...before }, orderBy: { createdAt: 'desc' }, take: size + 1 }),
      prisma.matchReceipt.count({ where: { offerId } }),
    ]);
    const times = new Map(rows.map((row) => [row.id, row.createdAt.getTime()]));
    const nodes = rows.map(({ receipt, ...row }) => ({ ...row, receiptJson: JSON.stringify(receipt) }));
    return page<MatchReceipt>(nodes, size, total, (receipt) => String(times.get(receipt.id)));
  }

  @Subscription(() => Offer, {
    resolve: (offer: Offer) => offer,
    description: 'The offer after each change; of all offers without an id.',
  })
  async *offerChanged(@Args('offerId', mediumInt) offerId?: number): AsyncGenerator<Offer> {
    for await (const change of this.api.changes.changes('offer', offerId ?? null, new AbortController().signal)) {
      const offer = await this.offer(change.offerId);
      if (offer !== null) yield offer;
    }
  }

  @Subscription(() => TrainingJob, { resolve: (job: TrainingJob) => job })
  async *jobProgress(@Args('offerId', { type: () => Int }) offerId: number): AsyncGenerator<TrainingJob> {
    for await (const change of this.api.changes.changes('job', offerId, new AbortController().signal)) {
      const job = await this.job(change.offerId);
      if (job !== null) yield job;
    }
  }

  @Subscription(() => Batch, { resolve: (batch: Batch) => batch })
  async *batchLogged(@Args('offerId', { type: () => Int }) offerId: number): AsyncGenerator<Batch> {
    for await (const change of this.api.changes.changes('batch', offerId, new AbortController().signal)) {
      yield { offerId: change.offerId, ...(change.payload as LogBatch) };
    }
  }
}
