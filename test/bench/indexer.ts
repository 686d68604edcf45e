import {
  createDatabase,
  deployment,
  type LogBody,
  logDecoder,
  marketAddress,
  paidOffer,
  quorumAddress,
  SqlIndexerStore,
  startPostgres,
} from '@cotrain/api/testing';
import { Indexer, rpcChainSource } from '@cotrain/chain';
import pg from 'pg';
import { keccak256, toBeHex } from 'ethers';
import type { BenchRow } from './bench-row.ts';

const logsPerBlock = 20;
/** Offers that are under way at the same time: their events are interleaved, as on a busy market. */
const offersAtOnce = 50;

const row = (metric: string, value: number, rest: Partial<BenchRow> = {}): BenchRow => ({
  bench: 'indexer',
  metric,
  value,
  unit: 'events/s',
  better: 'higher',
  bar: null,
  peer: null,
  peerValue: null,
  ...rest,
});

/** Events of many offers in the order of a chain: `offersAtOnce` advance in turn, one starts where one ends. */
function interleavedLogs(count: number): LogBody[] {
  const logs: LogBody[] = [];
  const underWay: LogBody[][] = [];
  let offerId = 0;
  for (let turn = 0; logs.length < count; turn++) {
    const place = turn % offersAtOnce;
    if (underWay[place] === undefined || underWay[place].length === 0) underWay[place] = paidOffer(++offerId);
    const next = underWay[place].shift();
    if (next !== undefined) logs.push(next);
  }
  return logs;
}

/** A node's answers, as the JSON texts that come over the wire, so that parsing them is measured too. */
function wireNode(count: number): { send(method: string, params: unknown[]): Promise<unknown> } {
  const quantity = (value: number): string => `0x${value.toString(16)}`;
  const hashes = Array.from({ length: Math.ceil(count / logsPerBlock) + 1 }, (_, number) =>
    keccak256(toBeHex(number, 32)),
  );
  const hashOf = (number: number): string => hashes[number + 1] ?? '';
  const bodies = interleavedLogs(count);
  const head = Math.ceil(count / logsPerBlock) - 1;
  const logs = Array.from({ length: head + 1 }, (_, number) =>
    bodies.slice(number * logsPerBlock, (number + 1) * logsPerBlock).map((body, index) =>
      JSON.stringify({
        ...body,
        blockHash: hashOf(number),
        blockNumber: quantity(number),
        blockTimestamp: quantity(1_700_000_000 + 12 * number),
        transactionHash: keccak256(toBeHex(number * 1_000 + index + 1, 32)),
        transactionIndex: quantity(index),
        logIndex: quantity(index),
        removed: false,
      }),
    ),
  );
  const block = (number: number): string =>
    JSON.stringify({
      number: quantity(number),
      hash: hashOf(number),
      parentHash: hashOf(number - 1),
      timestamp: quantity(1_700_000_000 + 12 * number),
      logsBloom: `0x${'00'.repeat(256)}`,
      miner: `0x${'00'.repeat(20)}`,
      gasLimit: quantity(30_000_000),
      transactions: [],
    });
  const answer = (method: string, params: unknown[]): string => {
    if (method === 'eth_blockNumber') return JSON.stringify(quantity(head));
    if (method === 'eth_getBlockByNumber') return block(Number(params[0]));
    const { fromBlock, toBlock } = params[0] as { fromBlock: string; toBlock: string };
    return `[${logs
      .slice(Number(fromBlock), Number(toBlock) + 1)
      .flat()
      .join(',')}]`;
  };
  return { send: (method, params) => Promise.resolve(JSON.parse(answer(method, params)) as unknown) };
}

/** Events per second from an empty database to a followed chain. */
async function backfill(count: number, databaseUrl: string | undefined): Promise<number> {
  const node = wireNode(count);
  const database = await createDatabase({ databaseUrl });
  let events = 0;
  const indexer = new Indexer({
    source: rpcChainSource(node),
    store: new SqlIndexerStore(database),
    addresses: [marketAddress, quorumAddress],
    decode: logDecoder(deployment),
    startBlock: 0,
    logger: { debug: () => undefined, info: () => undefined, warn: console.error },
    onChange: (change) => {
      events += change.events.length;
    },
  });
  const start = performance.now();
  while (await indexer.syncOnce());
  const seconds = (performance.now() - start) / 1_000;
  const stored = await database.prisma.chainEvent.count();
  const paid = await database.prisma.offer.count({ where: { state: 'Paid' } });
  await database.close();
  if (stored !== count || events !== count || paid < count / 33 - offersAtOnce)
    throw new Error(`${String(stored)} events and ${String(paid)} paid offers were stored of ${String(count)} events.`);
  return count / seconds;
}

/** The peer: the same events as rows, inserted by the driver with multi-row statements and nothing else done. */
async function bareInserts(databaseUrl: string): Promise<number> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const { rows } = await client.query<Record<string, unknown>>({ text: 'SELECT * FROM "ChainEvent"' });
  await client.query('CREATE TABLE bare (LIKE "ChainEvent" INCLUDING ALL)');
  const columns = Object.keys(rows[0] ?? {});
  const perStatement = 1_000;
  const start = performance.now();
  for (let from = 0; from < rows.length; from += perStatement) {
    const some = rows.slice(from, from + perStatement);
    const values = some.map(
      (_, index) => `(${columns.map((__, column) => `$${String(index * columns.length + column + 1)}`).join(',')})`,
    );
    await client.query(
      `INSERT INTO bare (${columns.map((name) => `"${name}"`).join(',')}) VALUES ${values.join(',')}`,
      some.flatMap((event) => columns.map((column) => event[column])),
    );
  }
  const seconds = (performance.now() - start) / 1_000;
  await client.end();
  return rows.length / seconds;
}

/** Backfill of an indexer that starts from nothing, from a node's JSON to folded offers, on both databases. */
export async function run(): Promise<BenchRow[]> {
  const postgres = await startPostgres({ durable: true });
  try {
    await backfill(5_000, await postgres.createDatabase()); // compiles the code
    const inPostgres = await backfill(100_000, postgres.url);
    const bare = await bareInserts(postgres.url);
    const inPglite = await backfill(30_000, undefined);
    return [
      row('backfill into PostgreSQL, 100,000 events', inPostgres, {
        bar: 10_000,
        peer: 'pg inserting the same events as rows, nothing else',
        peerValue: bare,
      }),
      row('backfill into PGlite, 30,000 events', inPglite, { bar: 3_000 }),
    ];
  } finally {
    await postgres.remove();
  }
}
