import type { Database, Transaction } from '../database/database.ts';

/** A lease that this holder has. `fence` is larger for each later holder. */
export interface Lease {
  name: string;
  holder: string;
  fence: number;
}

/** The lease ran out or another holder has it: whatever was begun under it must not be finished. */
export class LeaseLostError extends Error {
  override readonly name = 'LeaseLostError';
  readonly retryable = true;

  constructor(readonly lease: Lease) {
    super(`${lease.holder} does not hold lease ${lease.name} (fence ${String(lease.fence)}) any more.`);
  }
}

/**
 * Takes a free or expired lease, or extends one's own; null while somebody else has it. The database's clock decides,
 * so replicas with wrong clocks agree.
 */
export async function acquireLease(
  database: Database,
  name: string,
  holder: string,
  durationMs: number,
): Promise<Lease | null> {
  const [row] = await database.prisma.$queryRaw<{ fence: number }[]>`
    INSERT INTO "Lease" ("name", "holder", "fence", "expiresAt")
    VALUES (${name}, ${holder}, 1, (clock_timestamp() AT TIME ZONE 'UTC') + ${durationMs} * interval '1 millisecond')
    ON CONFLICT ("name") DO UPDATE SET
      "fence" = CASE WHEN "Lease"."holder" = ${holder} THEN "Lease"."fence" ELSE "Lease"."fence" + 1 END,
      "holder" = ${holder},
      "expiresAt" = (clock_timestamp() AT TIME ZONE 'UTC') + ${durationMs} * interval '1 millisecond'
    WHERE "Lease"."holder" = ${holder} OR "Lease"."expiresAt" < (clock_timestamp() AT TIME ZONE 'UTC')
    RETURNING "fence"`;
  return row === undefined ? null : { name, holder, fence: row.fence };
}

/** Extends a lease. @throws LeaseLostError when it ran out meanwhile, even if nobody has taken it yet */
export async function renewLease(database: Database, lease: Lease, durationMs: number): Promise<void> {
  const renewed = await database.prisma.$executeRaw`
    UPDATE "Lease" SET "expiresAt" = (clock_timestamp() AT TIME ZONE 'UTC') + ${durationMs} * interval '1 millisecond'
    WHERE "name" = ${lease.name} AND "holder" = ${lease.holder} AND "fence" = ${lease.fence}
      AND "expiresAt" > (clock_timestamp() AT TIME ZONE 'UTC')`;
  if (renewed !== 1) throw new LeaseLostError(lease);
}

/**
 * Makes a transaction part of what the lease allows: it fails unless the lease is held, and nobody can take the lease
 * before it is committed.
 * @throws LeaseLostError
 */
export async function assertLease(tx: Transaction, lease: Lease): Promise<void> {
  const rows = await tx.$queryRaw<unknown[]>`
    SELECT 1 FROM "Lease"
    WHERE "name" = ${lease.name} AND "holder" = ${lease.holder} AND "fence" = ${lease.fence}
      AND "expiresAt" > (clock_timestamp() AT TIME ZONE 'UTC')
    FOR SHARE`;
  if (rows.length !== 1) throw new LeaseLostError(lease);
}

/** Gives a lease back, so that the next holder need not wait; one that was lost already is left alone. */
export async function releaseLease(database: Database, lease: Lease): Promise<void> {
  await database.prisma.$executeRaw`
    UPDATE "Lease" SET "expiresAt" = TIMESTAMP 'epoch'
    WHERE "name" = ${lease.name} AND "holder" = ${lease.holder} AND "fence" = ${lease.fence}`;
}
