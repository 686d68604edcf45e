import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createDatabase, type Database } from '../database/database.ts';
import { MarketStateReader } from './market-state.ts';

const wallet = `0x${'1'.repeat(40)}`;
const openOffers = 1_000;
let database: Database;

beforeAll(async () => {
  database = await createDatabase({});
  const { prisma } = database;
  await prisma.blockHeader.create({ data: { number: 7, hash: '0x7', parentHash: '0x6', timestamp: 700 } });
  await prisma.pool.create({
    data: {
      id: 'pool',
      name: 'pool',
      owner: wallet,
      wallet,
      gpuCount: 1,
      gpuMemoryMiB: 1,
      cpuMilli: 1,
      memoryMiB: 1,
      floorPriceWeiPerGpuHour: '1',
      marginBps: 0,
      runtimes: [],
      backends: [],
      tokens: [],
      windows: [],
      maxParallelJobs: 1,
    },
  });
  await prisma.offer.createMany({
    data: Array.from({ length: openOffers }, (_, index) => ({
      id: index + 1,
      state: 'Bidding',
      requester: wallet,
      jobHeaderHash: '0x1',
      header: {},
      terms: {},
      rewardWei: '1',
      openedAtBlock: 1,
      openedAt: 1,
      updatedAtBlock: 1,
    })),
  });
  await prisma.reservation.create({ data: { offerId: 3, poolId: 'pool', gpuSeconds: 1, priceWei: '1' } });
}, 60_000);
afterAll(() => database.close());

/** The same database, counting what is asked of it. */
function counting(): { database: Database; count: () => number } {
  let count = 0;
  const prisma = database.prisma.$extends({
    query: {
      $allOperations({ args, query }) {
        count++;
        return query(args);
      },
    },
  }) as unknown as Database['prisma'];
  return { database: { ...database, prisma }, count: () => count };
}

test('a look reads a thousand open offers in a fixed number of queries, and again only those that changed', async () => {
  const { database: counted, count } = counting();
  const reader = new MarketStateReader(counted);
  const first = await reader.read(new Set([wallet]));
  expect(first?.offers.size).toBe(openOffers);
  expect(first?.ours).toHaveLength(1);
  expect(first?.reservations.get(3)).toHaveLength(1);
  expect(count()).toBeLessThanOrEqual(10);

  const asked = count();
  expect((await reader.read(new Set([wallet])))?.offers.size).toBe(openOffers);
  expect(count() - asked).toBeLessThanOrEqual(5); // no block came, so offers are not asked for

  await database.prisma.blockHeader.create({ data: { number: 8, hash: '0x8', parentHash: '0x7', timestamp: 800 } });
  await database.prisma.offer.update({ where: { id: 5 }, data: { state: 'Awarded' } });
  await database.prisma.offer.update({ where: { id: 6 }, data: { state: 'Paid' } });
  const second = await reader.read(new Set([wallet]));
  expect(second?.offers.get(4)).toBe(first?.offers.get(4));
  expect(second?.offers.get(5)).toMatchObject({ state: 'Awarded' });
  expect(second?.offers.has(6)).toBe(false);
  expect([...(second?.offers.keys() ?? [])].slice(0, 3)).toEqual([1, 2, 3]);
});

test('a job whose offer is gone is an orphan, and an offer whose capacity is held is read though it is over', async () => {
  await database.prisma.trainingJob.create({
    data: { name: 'job', offerId: 5_000, poolId: 'pool', state: 'running', steps: 1 },
  });
  await database.prisma.offer.update({ where: { id: 3 }, data: { state: 'Paid' } });
  const state = await new MarketStateReader(database).read(new Set());
  expect(state?.orphans.map(({ name }) => name)).toEqual(['job']);
  expect(state?.offers.get(3)).toMatchObject({ state: 'Paid' });
  expect(state?.ours).toEqual([]);
});
