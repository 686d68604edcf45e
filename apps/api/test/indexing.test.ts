import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Indexer, type IndexerOptions } from '@cotrain/chain';
import { ModelChain, type ModelLog, seededRandom, unreliableSource } from '@cotrain/chain/testing';
import { getAddress } from 'ethers';
import fc from 'fast-check';
import { createDatabase, type Database, type Transaction } from '../src/database/database.ts';
import { logDecoder } from '../src/indexing/decode-log.ts';
import { readOffers } from '../src/indexing/offer-tables.ts';
import { SqlIndexerStore } from '../src/indexing/sql-indexer-store.ts';
import {
  account,
  deployment,
  marketAddress,
  marketLog,
  offerOpened,
  paidOffer,
  quorumAddress,
  quorumLog,
} from './chain-logs.ts';
import { startPostgres, type TestPostgres } from './postgres.ts';

const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined };
const chainTables = ['BlockHeader', 'ChainEvent', 'Offer', 'OfferPayer', 'OfferBid', 'VerificationRound'];

/** Every row of every chain-derived table, byte for byte; where a row lies on the disk is no part of it. */
async function dump(database: Database): Promise<string> {
  const tables = await Promise.all(
    chainTables.map((table) =>
      database.prisma.$queryRawUnsafe<{ row: string }[]>(`SELECT t::text AS row FROM "${table}" t ORDER BY 1`),
    ),
  );
  return tables.map((rows, index) => [chainTables[index], ...rows.map(({ row }) => row)].join('\n')).join('\n\n');
}

async function empty(database: Database): Promise<void> {
  await database.prisma.$executeRawUnsafe(`TRUNCATE ${chainTables.map((table) => `"${table}"`).join(', ')}`);
}

function makeIndexer(
  database: Database,
  source: IndexerOptions<Transaction>['source'],
  options: Partial<IndexerOptions<Transaction>> = {},
): Indexer<Transaction> {
  return new Indexer({
    source,
    store: new SqlIndexerStore(database),
    addresses: [marketAddress, quorumAddress],
    decode: logDecoder(deployment),
    startBlock: 0,
    logger: quiet,
    ...options,
  });
}

async function settle(indexer: Indexer<Transaction>, head: number): Promise<void> {
  for (let turn = 0; turn < 500; turn++) if (!(await indexer.syncOnce()) && indexer.status().cursor === head) return;
  throw new Error(`The indexer stands at ${String(indexer.status().cursor)}, the chain at ${String(head)}.`);
}

let database: Database;
let replay: Database;
beforeAll(async () => {
  [database, replay] = await Promise.all([createDatabase({}), createDatabase({})]);
});
afterAll(() => Promise.all([database.close(), replay.close()]));

async function index(...logs: ModelLog[]): Promise<void> {
  await empty(database);
  const chain = new ModelChain();
  chain.grow([logs]);
  await settle(makeIndexer(database, chain), chain.head);
}

async function offer(id: number) {
  return (await readOffers([id], database.prisma)).get(id);
}

describe('the tables of the chain', () => {
  it('show an offer from its opening to its payment', async () => {
    await index(...paidOffer(7));
    expect(await offer(7)).toMatchObject({
      id: 7,
      state: 'Paid',
      trainer: getAddress(account(1_000_010)),
      paidWei: '600000000000000000',
      verdict: 1,
      payers: [
        { units: 5, paidWei: '5', refundedWei: '5' },
        { units: 3, paidWei: '4', refundedWei: '4' },
        { units: 2, paidWei: '3', refundedWei: '3' },
      ],
      rounds: [
        {
          round: 0,
          segments: [0, 1, 3],
          verdict: 1,
          votes: Array.from({ length: 5 }, () => ({ committed: true, vote: 1 })),
        },
      ],
    });
  });

  it('show of a bid whether it was displaced', async () => {
    await index(...paidOffer(7));
    const displaced = (await offer(7))?.bids.filter((bid) => bid.displaced);
    expect(displaced).toMatchObject([{ trainer: getAddress(account(1_000_007)), forfeited: false }]);
  });

  it('are those of a clean replay after any reorganisation to depth 240 (PGlite, byte for byte)', async () => {
    const pieces = [1, 2, 3].map((id) => paidOffer(id)).concat([[offerOpened(4)], paidOffer(5).slice(0, 9)]);
    const randomLogs = (random: () => number, count: number): ModelLog[][] =>
      Array.from({ length: count }, () => {
        const logs: ModelLog[] = [];
        while (random() < 0.6) {
          const piece = pieces[Math.floor(random() * pieces.length)] ?? [];
          const at = Math.floor(random() * piece.length);
          logs.push(...piece.slice(at, at + 1 + Math.floor(random() * 4)));
        }
        return logs;
      });
    const step = fc.record({
      fork: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 240 })),
      grow: fc.nat({ max: 60 }),
      syncs: fc.nat({ max: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 5 }), fc.integer(), async (steps, seed) => {
        await Promise.all([empty(database), empty(replay)]);
        const random = seededRandom(seed);
        const chain = new ModelChain();
        const trouble = {
          random,
          failures: 0.01,
          maxLogs: 60,
          meanwhile: () => {
            if (random() < 0.02) chain.fork(Math.floor(random() * 3), randomLogs(random, 2));
          },
        };
        const indexer = makeIndexer(database, unreliableSource(chain, trouble), { batchBlocks: 40, batchEvents: 50 });
        for (const { fork, grow, syncs } of steps) {
          chain.fork(fork, randomLogs(random, grow));
          for (let turn = 0; turn < syncs; turn++) await indexer.syncOnce().catch(() => undefined); // the trouble above
        }
        Object.assign(trouble, { failures: 0, meanwhile: () => undefined });
        chain.grow(Array.from({ length: 520 }, () => []));
        await settle(indexer, chain.head);
        await settle(makeIndexer(replay, chain), chain.head);
        expect(await dump(database)).toBe(await dump(replay));
      }),
      { numRuns: 8 },
    );
  }, 120_000);

  it('hold no clock and no local number: written an hour later, in other batches, they are the same', async () => {
    const logs = [1, 2, 3].flatMap((id) => paidOffer(id));
    const chain = new ModelChain();
    chain.grow(logs.map((log) => [log]));
    await Promise.all([empty(database), empty(replay)]);
    await replay.prisma.$executeRaw`SELECT setval('"Outbox_sequence_seq"', 5000)`;
    await settle(makeIndexer(database, chain, { batchBlocks: 3 }), chain.head);
    await settle(makeIndexer(replay, chain), chain.head);
    expect(await dump(database)).toBe(await dump(replay));
  });

  it('tell subscribers of each offer that a batch or a rollback changed', async () => {
    await database.prisma.outbox.deleteMany();
    await index(offerOpened(1), offerOpened(2), marketLog('BiddingStarted', { offerId: 1, biddingEndsAt: 5 }));
    const told = await database.prisma.outbox.findMany({ orderBy: { sequence: 'asc' } });
    expect(told.map(({ topic, offerId }) => `${topic} ${String(offerId)}`)).toEqual(['offer 1', 'offer 2']);
  });
});

describe('what the chain may hold and no sane market would write', () => {
  const huge = 2n ** 256n - 1n;

  it.each([2 ** 31, 2 ** 32, huge])('an offer %s is kept as events and does not stop the indexer', async (offerId) => {
    await index(offerOpened(offerId), offerOpened(3));
    expect(await database.prisma.chainEvent.count()).toBe(2);
    expect(await offer(3)).toMatchObject({ state: 'Funding' });
  });

  it('deadlines after 2038 and units beyond 31 bits fit', async () => {
    await index(
      offerOpened(1, { units: [2 ** 32 - 1, 1, 1], fundingWindow: 2 ** 32 - 1 }),
      marketLog('BiddingStarted', { offerId: 1, biddingEndsAt: 2n ** 64n - 1n }),
    );
    expect(await offer(1)).toMatchObject({ deadline: 2 ** 31 - 1, payers: [{ units: 2 ** 32 - 1 }, {}, {}] });
  });

  it('events of an offer that was never opened, twice, and out of order change nothing that is known', async () => {
    await index(
      quorumLog('VoteCommitted', { offerId: 1, round: 0, validator: account(1) }),
      marketLog('OfferSettled', { offerId: 9, outcome: 6 }),
      offerOpened(1),
      marketLog('BidDisplaced', { offerId: 1, trainer: account(5) }),
      quorumLog('VoteRevealed', { offerId: 1, round: 4_000_000_000, validator: account(1), vote: 1 }),
      quorumLog('RoundTallied', { offerId: 1, round: 4_000_000_000, verdict: 1 }),
      offerOpened(1),
      marketLog('OfferSettled', { offerId: 1, outcome: 200 }),
    );
    expect(await offer(9)).toBeUndefined();
    expect(await offer(1)).toMatchObject({ state: 'None', bids: [], payers: [{}, {}, {}] });
  });

  it('any event with any values is indexed, after any others', async () => {
    const number = fc.oneof(fc.nat({ max: 3 }), fc.constantFrom(2n ** 31n, 2n ** 32n - 1n));
    const wide = fc.oneof(number, fc.constantFrom(2n ** 63n, 2n ** 64n - 1n));
    const offerId = fc.oneof({ weight: 9, arbitrary: fc.nat({ max: 2 }) }, fc.constant(huge));
    const who = fc.nat({ max: 2 }).map(account);
    const event = fc.oneof(
      offerId.map((id) => offerOpened(id)),
      fc
        .record({ offerId, payer: who, amountWei: fc.constantFrom(0n, huge) })
        .map((args) => marketLog('ShareFunded', args)),
      fc.record({ offerId, biddingEndsAt: wide }).map((args) => marketLog('BiddingStarted', args)),
      fc
        .record({ offerId, trainer: who, priceWei: fc.constantFrom(0n, huge) })
        .map((args) => marketLog('BidPlaced', args)),
      fc.record({ offerId, trainer: who, startDeadline: wide }).map((args) => marketLog('OfferAwarded', args)),
      fc.record({ offerId, outcome: fc.nat({ max: 255 }) }).map((args) => marketLog('OfferSettled', args)),
      fc.record({ offerId, round: number, drawBlock: wide }).map((args) => quorumLog('VerificationOpened', args)),
      fc
        .record({
          offerId,
          round: number,
          validators: fc.array(who, { maxLength: 3 }),
          segments: fc.array(number, { maxLength: 3 }),
          commitDeadline: wide,
        })
        .map((args) => quorumLog('QuorumDrawn', args)),
      fc
        .record({ offerId, round: number, validator: who, vote: fc.nat({ max: 255 }) })
        .map((args) => quorumLog('VoteRevealed', args)),
      fc
        .record({ offerId, round: number, verdict: fc.nat({ max: 255 }), challengeEndsAt: wide })
        .map((args) => quorumLog('RoundTallied', args)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 30 }), async (logs) => {
        await index(...logs);
        expect(await database.prisma.chainEvent.count()).toBe(logs.length);
      }),
      { numRuns: 40 },
    );
  }, 60_000);

  it('thousands of bids for one offer are written once each, not again with every block', async () => {
    await empty(database);
    const chain = new ModelChain();
    chain.grow([[offerOpened(1)]]);
    for (let block = 0; block < 20; block++)
      chain.grow([
        Array.from({ length: 100 }, (_, bid) =>
          marketLog('BidPlaced', { offerId: 1, trainer: account(block * 100 + bid), priceWei: 5n }),
        ),
      ]);
    await settle(makeIndexer(database, chain, { batchBlocks: 1 }), chain.head);
    expect((await offer(1))?.bids).toHaveLength(2_000);
    const written = await database.prisma.$queryRaw<{ xmin: string }[]>`SELECT DISTINCT xmin::text FROM "OfferBid"`;
    expect(written).toHaveLength(20);
  });
});

describe('two replicas on one PostgreSQL', () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.remove());

  it('index each block once through reorganisations, and end with the tables of a clean replay', async () => {
    const replicas = await Promise.all([1, 2].map(() => createDatabase({ databaseUrl: postgres.url })));
    const clean = await createDatabase({ databaseUrl: await postgres.createDatabase() });
    const chain = new ModelChain();
    const failures: unknown[] = [];
    const indexers = replicas.map((replica, number) => makeIndexer(replica, chain, { batchBlocks: 3 + number }));
    for (let turn = 0; turn < 25; turn++) {
      chain.fork(
        turn % 5 === 4 ? turn : 0,
        [1, 2, 3].map((id) => paidOffer(id + (turn % 4) * 3)),
      );
      await Promise.all(indexers.map((indexer) => indexer.syncOnce().catch((error: unknown) => failures.push(error))));
    }
    chain.grow(Array.from({ length: 520 }, () => []));
    await Promise.all(indexers.map((indexer) => settle(indexer, chain.head)));
    await settle(makeIndexer(clean, chain), chain.head);
    expect(failures).toEqual([]);
    expect(await dump(replicas[0]!)).toBe(await dump(clean));
    await Promise.all([...replicas, clean].map((each) => each.close()));
  }, 60_000);

  it('a database that goes away for a while loses nothing, and the indexer says so meanwhile', async () => {
    const replica = await createDatabase({ databaseUrl: await postgres.createDatabase() });
    const chain = new ModelChain();
    chain.grow([[offerOpened(1)]]);
    const indexer = makeIndexer(replica, chain, { pollMs: 20, random: () => 0 });
    const stopping = new AbortController();
    const running = indexer.run(stopping.signal);
    const until = async (holds: () => boolean): Promise<void> => {
      while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10));
    };
    await until(() => indexer.status().cursor === 1);
    await postgres.stop('kill');
    chain.grow([[offerOpened(2)]]);
    await until(() => indexer.status().state === 'store unavailable');
    await postgres.start();
    await until(() => indexer.status().cursor === 2 && indexer.status().state === 'following');
    expect(await replica.prisma.offer.count()).toBe(2);
    stopping.abort();
    await running;
    await replica.close();
  }, 60_000);
});
