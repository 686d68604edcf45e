import type { Transaction } from '../database/database.ts';
import type { Prisma } from '../generated/prisma/client.ts';

/** What subscribers can be told of. */
export type OutboxTopic = 'offer' | 'job' | 'batch';

export interface OutboxMessage {
  topic: OutboxTopic;
  offerId: number;
  payload: Prisma.InputJsonObject;
}

/** Adds a change to the outbox, in the transaction that makes it, and wakes the replicas when it is committed. */
export function publish(
  tx: Transaction,
  topic: OutboxTopic,
  offerId: number,
  payload: Prisma.InputJsonObject,
): Promise<void> {
  return publishAll(tx, [{ topic, offerId, payload }]);
}

/**
 * Adds changes to the outbox. Call it last in a transaction: until the commit nobody else publishes. That makes the
 * order of the sequence the order of the commits; otherwise a reader that has seen 6 would miss a 5 committed later.
 */
export async function publishAll(tx: Transaction, messages: readonly OutboxMessage[]): Promise<void> {
  if (messages.length === 0) return;
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(${outboxLock})`;
  await tx.$executeRaw`
    INSERT INTO "Outbox" ("topic", "offerId", "payload", "createdAt")
    SELECT "topic", "offerId", "payload", now() AT TIME ZONE 'UTC'
    FROM jsonb_to_recordset(${JSON.stringify(messages)}::jsonb) AS message("topic" text, "offerId" int, "payload" jsonb)`;
  await tx.$executeRaw`SELECT pg_notify('cotrain_outbox', '')`;
}

/** Any number that no other advisory lock of the database uses; bigint, so that the driver sends an int8. */
const outboxLock = 0x636f747261696en;
