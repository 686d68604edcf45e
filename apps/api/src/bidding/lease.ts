import type { Database } from '../database/database.ts';

/**
 * Takes or keeps a lease: true while `holder` is the one that may act. The database's clock decides, so replicas with
 * wrong clocks agree; the fence grows whenever the holder changes.
 */
export async function holdLease(
  database: Database,
  name: string,
  holder: string,
  durationMs: number,
): Promise<boolean> {
  const rows = await database.prisma.$queryRaw<{ holder: string }[]>`
    INSERT INTO "Lease" ("name", "holder", "fence", "expiresAt")
    VALUES (${name}, ${holder}, 1, now() + ${durationMs} * interval '1 millisecond')
    ON CONFLICT ("name") DO UPDATE SET
      "fence" = CASE WHEN "Lease"."holder" = ${holder} THEN "Lease"."fence" ELSE "Lease"."fence" + 1 END,
      "holder" = ${holder},
      "expiresAt" = now() + ${durationMs} * interval '1 millisecond'
    WHERE "Lease"."holder" = ${holder} OR "Lease"."expiresAt" < now()
    RETURNING "holder"`;
  return rows.length === 1;
}
