import type { Transaction } from '../database/database.ts';
import type { Prisma } from '../generated/prisma/client.ts';

/** What subscribers can be told of. */
export type OutboxTopic = 'offer' | 'job' | 'batch';

/** Adds a change to the outbox, in the transaction that makes it, and wakes the replicas when it is committed. */
export async function publish(
  tx: Transaction,
  topic: OutboxTopic,
  offerId: number,
  payload: Prisma.InputJsonObject,
): Promise<void> {
  await tx.outbox.create({ data: { topic, offerId, payload } });
  await tx.$executeRaw`SELECT pg_notify('cotrain_outbox', '')`;
}
