import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createDatabase, type Database } from '../src/database/database.ts';
import { type Change, ChangeFeed, type ChangeFeedOptions } from '../src/indexing/change-feed.ts';
import { publish, publishAll } from '../src/indexing/outbox.ts';
import { type ChangeStream, SubscriberTooSlowError } from '../src/indexing/subscriber.ts';
import { startPostgres, type TestPostgres } from './postgres.ts';

const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined };

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.remove());

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

interface Replica {
  database: Database;
  feed: ChangeFeed;
}

async function replica(databaseUrl: string, options: ChangeFeedOptions & { deaf?: boolean } = {}): Promise<Replica> {
  const database = await createDatabase({ databaseUrl });
  open.push(() => database.close());
  const heard = options.deaf === true ? { ...database, listen: () => Promise.resolve() } : database;
  const feed = new ChangeFeed(heard, quiet, { pollMs: 50, ...options });
  await feed.start();
  open.push(() => feed.close());
  return { database, feed };
}

const forever = new AbortController().signal;

async function take(stream: ChangeStream, count: number): Promise<Change[]> {
  const changes: Change[] = [];
  while (changes.length < count) {
    const step = await stream.next();
    if (step.done === true) break;
    changes.push(step.value);
  }
  return changes;
}

const steps = (changes: readonly Change[]): unknown[] =>
  changes.map(({ payload }) => (payload as { step: unknown }).step);

const tell = (database: Database, step: number, offerId = 1): Promise<void> =>
  database.prisma.$transaction((tx) => publish(tx, 'batch', offerId, { step }));

describe('subscribers', () => {
  it.each([
    ['woken by notifications', { pollMs: 60_000 }],
    ['whose notifications are lost', { deaf: true, pollMs: 20 }],
  ])('of both replicas, %s, get every change once and in order', async (_, options) => {
    const url = await postgres.createDatabase();
    const [a, b] = [await replica(url, options), await replica(url, options)];
    const streams = [a, a, b].map(({ feed }) => feed.changes('batch', null, forever));
    for (let step = 0; step < 40; step++) await tell((step % 2 === 0 ? a : b).database, step);
    for (const stream of streams)
      expect(steps(await take(stream, 40))).toEqual(Array.from({ length: 40 }, (__, step) => step));
  });

  it('get every change once though a read of the outbox never ends', async () => {
    const database = await createDatabase({ databaseUrl: await postgres.createDatabase() });
    open.push(() => database.close());
    let reads = 0;
    const outbox = new Proxy(database.prisma.outbox, {
      get: (target, name) => {
        if (name !== 'findMany') return Reflect.get(target, name) as unknown;
        return (...args: Parameters<typeof target.findMany>) =>
          ++reads === 2 ? new Promise<never>(() => undefined) : target.findMany(...args);
      },
    });
    const prisma = new Proxy(database.prisma, {
      get: (target, name) => (name === 'outbox' ? outbox : (Reflect.get(target, name) as unknown)),
    });
    const feed = new ChangeFeed({ ...database, prisma }, quiet, { pollMs: 20, readMs: 200 });
    await feed.start();
    open.push(() => feed.close());
    const stream = feed.changes('batch', null, forever);
    for (let step = 0; step < 10; step++) await tell(database, step);
    expect(steps(await take(stream, 10))).toEqual(Array.from({ length: 10 }, (_, step) => step));
    expect(reads).toBeGreaterThan(2);
  });

  it('miss none when transactions commit in another order than they began', async () => {
    const url = await postgres.createDatabase();
    const [a, b] = [await replica(url), await replica(url)];
    const stream = b.feed.changes('batch', null, forever);
    await Promise.all(
      Array.from({ length: 30 }, (_, step) =>
        a.database.prisma.$transaction(async (tx) => {
          await publish(tx, 'batch', 1, { step });
          await new Promise((resolve) => setTimeout(resolve, (step * 7) % 20)); // commits later than it took its number
        }),
      ),
    );
    const changes = await take(stream, 30);
    expect(new Set(steps(changes)).size).toBe(30);
    const sequences = changes.map(({ sequence }) => sequence);
    expect(sequences).toEqual([...sequences].sort((x, y) => Number(x - y)));
  });

  it('hear nothing of a transaction that was rolled back', async () => {
    const { database, feed } = await replica(await postgres.createDatabase());
    const stream = feed.changes('batch', null, forever);
    await expect(
      database.prisma.$transaction(async (tx) => {
        await publish(tx, 'batch', 1, { step: 0 });
        throw new Error('changed my mind');
      }),
    ).rejects.toThrow('changed my mind');
    await tell(database, 1);
    expect(steps(await take(stream, 1))).toEqual([1]);
  });

  it('get what they asked for only', async () => {
    const { database, feed } = await replica(await postgres.createDatabase());
    const stream = feed.changes('batch', 7, forever);
    await tell(database, 0, 8);
    await database.prisma.$transaction((tx) => publish(tx, 'job', 7, { step: 1 }));
    await tell(database, 2, 7);
    expect(await take(stream, 1)).toMatchObject([{ topic: 'batch', offerId: 7, payload: { step: 2 } }]);
  });

  it('get what was published while the database was away from them', async () => {
    const url = await postgres.createDatabase();
    const { database, feed } = await replica(url);
    const stream = feed.changes('batch', null, forever);
    await tell(database, 0);
    expect(steps(await take(stream, 1))).toEqual([0]);
    await postgres.stop('kill');
    await new Promise((resolve) => setTimeout(resolve, 200)); // some polls fail
    await postgres.start();
    for (let step = 1; step < 4; step++)
      while (
        !(await tell(database, step).then(
          () => true,
          () => false,
        ))
      )
        await new Promise((resolve) => setTimeout(resolve, 20));
    expect(steps(await take(stream, 3))).toEqual([1, 2, 3]);
  });

  it('that are slow hold no more than their queue, and still get everything in order', async () => {
    const { database, feed } = await replica(await postgres.createDatabase(), { queueLength: 10 });
    const stream = feed.changes('batch', null, forever);
    const other = feed.changes('batch', null, forever);
    const count = 500;
    const message = (step: number) => ({ topic: 'batch' as const, offerId: 1, payload: { step } });
    for (let from = 0; from < count; from += 50)
      await database.prisma.$transaction((tx) =>
        publishAll(
          tx,
          Array.from({ length: 50 }, (_, index) => message(from + index)),
        ),
      );
    const all = Array.from({ length: count }, (_, step) => step);
    expect(steps(await take(other, count))).toEqual(all);
    expect((stream as unknown as { queue: unknown[] }).queue.length).toBeLessThanOrEqual(10);
    expect(steps(await take(stream, 100))).toEqual(all.slice(0, 100));
    await tell(database, count); // while it is still catching up
    expect(steps(await take(stream, count - 99))).toEqual([...all.slice(100), count]);
  });

  it('that are slower than the outbox is kept are told so', async () => {
    const { database, feed } = await replica(await postgres.createDatabase(), { queueLength: 2, keptRows: 3 });
    const stream = feed.changes('batch', null, forever);
    const quick = feed.changes('batch', null, forever);
    for (let step = 0; step < 20; step++) {
      await tell(database, step);
      await take(quick, 1);
    }
    await feed.prune();
    expect(steps(await take(stream, 2))).toEqual([0, 1]);
    await expect(stream.next()).rejects.toThrow(SubscriberTooSlowError);
    expect(await stream.next()).toMatchObject({ done: true });
    expect(feed.size).toBe(1);
  });

  it('can leave while they wait, by return and by their signal', async () => {
    const { feed } = await replica(await postgres.createDatabase());
    const leaving = new AbortController();
    const streams = [feed.changes('offer', null, forever), feed.changes('offer', null, leaving.signal)];
    const waiting = streams.map((stream) => stream.next());
    expect(feed.size).toBe(2);
    await streams[0]!.return();
    leaving.abort();
    expect(await Promise.all(waiting)).toMatchObject([{ done: true }, { done: true }]);
    expect(feed.size).toBe(0);
  });
});

describe('the outbox', () => {
  it('is kept short: by age and by number', async () => {
    const { database, feed } = await replica(await postgres.createDatabase(), { keptMs: 60_000, keptRows: 5 });
    for (let step = 0; step < 12; step++) await tell(database, step);
    await feed.prune();
    const kept = await database.prisma.outbox.findMany({ orderBy: { sequence: 'asc' } });
    expect(kept.map(({ payload }) => payload)).toEqual([7, 8, 9, 10, 11].map((step) => ({ step })));
    await database.prisma.$executeRaw`UPDATE "Outbox" SET "createdAt" = "createdAt" - interval '2 minutes'`;
    await tell(database, 12);
    await feed.prune();
    expect(await database.prisma.outbox.count()).toBe(1);
  });
});
