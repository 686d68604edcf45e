import { Inject } from '@nestjs/common';
import { Args, Int, Query, Resolver } from '@nestjs/graphql';
import { API_CONTEXT, type ApiContext } from '../context.ts';
import type { Prisma } from '../generated/prisma/client.ts';
import { type Connection, type Order, PageArguments, paginate } from './connection.ts';
import { OfferOrder } from './enums.ts';
import {
  MatchReceipt,
  Offer,
  OfferConnection,
  OfferFilter,
  OfferTransaction,
  OfferTransactionConnection,
  ReceiptConnection,
} from './offer-types.ts';
import { offerRelations, type OfferRow, offersView, timeOf } from './offer-view.ts';

const id = (descending: boolean): Order['columns'][number] => ({ column: 'id', kind: 'integer', descending });
const offerOrders: Record<OfferOrder, Order> = {
  [OfferOrder.Newest]: { name: 'offers.newest', columns: [id(true)] },
  [OfferOrder.Oldest]: { name: 'offers.oldest', columns: [id(false)] },
  [OfferOrder.RecentlyUpdated]: {
    name: 'offers.updated',
    columns: [{ column: 'updatedAtBlock', kind: 'integer', descending: true }, id(true)],
  },
  [OfferOrder.DeadlineSoonest]: {
    name: 'offers.deadline',
    columns: [{ column: 'deadline', kind: 'integer', descending: false }, id(false)],
  },
};
const transactionOrder: Order = {
  name: 'transactions',
  columns: [
    { column: 'blockNumber', kind: 'integer', descending: false },
    { column: 'logIndex', kind: 'integer', descending: false },
  ],
};
const receiptOrder: Order = {
  name: 'receipts',
  columns: [
    { column: 'createdAt', kind: 'time', descending: true },
    { column: 'id', kind: 'text', descending: true },
  ],
};

/** Offers and what is known of them. Open to anyone. */
@Resolver()
export class OfferResolver {
  constructor(@Inject(API_CONTEXT) private readonly api: ApiContext) {}

  @Query(() => Offer, { nullable: true, description: 'One offer; null when there is none. Anyone.' })
  async offer(
    @Args('id', { type: () => Int, description: 'Number of the offer.' }) offerId: number,
  ): Promise<Offer | null> {
    return readOffer(this.api, offerId);
  }

  @Query(() => OfferConnection, { description: 'Offers, page by page. Anyone.' })
  async offers(
    @Args() page: PageArguments,
    @Args('filter', { type: () => OfferFilter, nullable: true, description: 'All offers unless given.' })
    filter?: OfferFilter | null,
    @Args('orderBy', {
      type: () => OfferOrder,
      defaultValue: OfferOrder.Newest,
      description: 'How they are sorted. A cursor is good for one order.',
    })
    orderBy: OfferOrder = OfferOrder.Newest,
  ): Promise<Connection<Offer>> {
    const { database } = this.api;
    const { prisma } = database;
    const matching: Prisma.OfferWhereInput = {
      ...(filter?.states == null ? {} : { state: { in: filter.states } }),
      ...(filter?.requester == null ? {} : { requester: filter.requester }),
      ...(filter?.trainer == null ? {} : { trainer: filter.trainer }),
      ...(filter?.payer == null ? {} : { payers: { some: { payer: filter.payer } } }),
      ...(filter?.bidder == null ? {} : { bids: { some: { trainer: filter.bidder } } }),
      ...(orderBy === OfferOrder.DeadlineSoonest ? { deadline: { not: null } } : {}),
    };
    return paginate<OfferRow, Offer>({
      page,
      order: offerOrders[orderBy],
      find: ({ where, ...query }) =>
        prisma.offer.findMany({ where: { AND: [matching, where] }, include: offerRelations, ...query }),
      count: () => prisma.offer.count({ where: matching }),
      view: (rows) => offersView(rows, database),
    });
  }

  @Query(() => OfferTransactionConnection, {
    description: 'Events of the contracts that concern an offer, in chain order, with their transactions. Anyone.',
  })
  async offerTransactions(
    @Args('offerId', { type: () => Int, description: 'Number of the offer.' }) offerId: number,
    @Args() page: PageArguments,
  ): Promise<Connection<OfferTransaction>> {
    const { chainEvent } = this.api.database.prisma;
    return paginate({
      page,
      order: transactionOrder,
      find: ({ where, ...query }) => chainEvent.findMany({ where: { AND: [{ offerId }, where] }, ...query }),
      count: () => chainEvent.count({ where: { offerId } }),
      view: (rows) =>
        rows.map((row) => ({
          id: row.id,
          name: row.eventName,
          hash: row.transactionHash,
          blockNumber: row.blockNumber,
          minedAt: timeOf(row.blockTimestamp),
        })),
    });
  }

  @Query(() => ReceiptConnection, {
    description: 'Match receipts of an offer, newest first: which pool was chosen, why the others were not. Anyone.',
  })
  async matchReceipts(
    @Args('offerId', { type: () => Int, description: 'Number of the offer.' }) offerId: number,
    @Args() page: PageArguments,
  ): Promise<Connection<MatchReceipt>> {
    const { matchReceipt } = this.api.database.prisma;
    return paginate({
      page,
      order: receiptOrder,
      find: ({ where, ...query }) =>
        matchReceipt.findMany({ where: { AND: [{ offerId }, where] }, ...query, omit: { receipt: true } }),
      count: () => matchReceipt.count({ where: { offerId } }),
      view: (rows) => {
        // The receipts themselves are large: read only when they are asked for, and then all of the page at once.
        let reading: Promise<Map<string, unknown>> | null = null;
        const read = async (): Promise<Map<string, unknown>> => {
          const found = await matchReceipt.findMany({
            where: { id: { in: rows.map(({ id }) => id) } },
            select: { id: true, receipt: true },
          });
          return new Map(found.map(({ id, receipt }) => [id, receipt]));
        };
        return rows.map((row) => ({
          ...row,
          get receiptJson(): Promise<string> {
            reading ??= read();
            return reading.then((receipts) => JSON.stringify(receipts.get(row.id)));
          },
        }));
      },
    });
  }
}

/** The offer as it is now, or null. */
export async function readOffer({ database }: Pick<ApiContext, 'database'>, offerId: number): Promise<Offer | null> {
  const row = await database.prisma.offer.findUnique({ where: { id: offerId }, include: offerRelations });
  return row === null ? null : ((await offersView([row], database))[0] ?? null);
}
