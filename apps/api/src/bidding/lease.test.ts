import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { startPostgres, type TestPostgres } from '../../test/postgres.ts';
import { createDatabase, type Database } from '../database/database.ts';
import { acquireLease, assertLease, type Lease, LeaseLostError, releaseLease, renewLease } from './lease.ts';

describe.each(['PGlite', 'PostgreSQL'] as const)('a lease on %s', (kind) => {
  let postgres: TestPostgres | null = null;
  let database: Database;
  let count = 0;

  beforeAll(async () => {
    postgres = kind === 'PostgreSQL' ? await startPostgres() : null;
    database = await createDatabase(postgres === null ? {} : { databaseUrl: postgres.url });
  }, 120_000);
  afterAll(async () => {
    await database.close();
    await postgres?.remove();
  }, 60_000);

  const fresh = (): string => `lease-${String(++count)}`;
  async function take(name: string, holder: string, durationMs: number): Promise<Lease> {
    const lease = await acquireLease(database, name, holder, durationMs);
    if (lease === null) throw new Error('somebody else has it');
    return lease;
  }

  test('of twenty who ask at once one gets it', async () => {
    const name = fresh();
    const taken = await Promise.all(
      Array.from({ length: 20 }, (_, index) => acquireLease(database, name, `holder-${String(index)}`, 60_000)),
    );
    expect(taken.filter((lease) => lease !== null)).toHaveLength(1);
  });

  test('its holder may extend it, nobody else may take it, and the fence stays', async () => {
    const name = fresh();
    const lease = await take(name, 'a', 60_000);
    expect(await acquireLease(database, name, 'a', 60_000)).toEqual(lease);
    expect(await acquireLease(database, name, 'b', 60_000)).toBeNull();
    await renewLease(database, lease, 60_000);
  });

  test('when it runs out the next holder gets a larger fence, and the last one can do nothing more', async () => {
    const name = fresh();
    const old = await take(name, 'a', 1);
    await delay(20);
    await expect(renewLease(database, old, 60_000)).rejects.toThrow(LeaseLostError);
    const next = await take(name, 'b', 60_000);
    expect(next.fence).toBeGreaterThan(old.fence);
    await expect(
      database.prisma.$transaction(async (tx) => {
        await assertLease(tx, old);
        await tx.signInNonce.create({ data: { nonce: name, expiresAt: new Date() } });
      }),
    ).rejects.toThrow(LeaseLostError);
    expect(await database.prisma.signInNonce.findUnique({ where: { nonce: name } })).toBeNull();
  });

  test('what a transaction did under the lease is written before anybody else can take it', async () => {
    const name = fresh();
    const lease = await take(name, 'a', 200);
    const events: string[] = [];
    const work = database.prisma.$transaction(async (tx) => {
      await assertLease(tx, lease);
      await delay(600); // longer than the lease
      events.push('written');
    });
    await delay(300);
    const other = acquireLease(database, name, 'b', 60_000).then(() => events.push('taken'));
    await Promise.all([work, other]);
    expect(events).toEqual(['written', 'taken']);
  });

  test('given back it is free at once; given back by one who lost it nothing happens', async () => {
    const name = fresh();
    const first = await take(name, 'a', 60_000);
    await releaseLease(database, first);
    const second = await take(name, 'b', 60_000);
    await releaseLease(database, first);
    await renewLease(database, second, 60_000);
  });
});
