import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type ChainSource, type RawLog, rpcChainSource, TooManyLogsError } from '../src/chain-source.ts';
import { ChainError, ChainUnavailableError, ReorganisationTooDeepError } from '../src/errors.ts';
import { Indexer, type IndexerOptions } from '../src/indexer.ts';
import { ModelChain, type ModelLog } from '../src/testing/model-chain.ts';
import { seededRandom, unreliableSource } from '../src/testing/unreliable-source.ts';
import { MemoryIndexerStore } from './memory-indexer-store.ts';

const ours = `0x${'a'.repeat(40)}` as const;
const foreign = `0x${'b'.repeat(40)}` as const;
const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined };

let values = 0;
const log = (key: number, address: ModelLog['address'] = ours): ModelLog => ({
  address,
  topics: [`0x${key.toString(16).padStart(64, '0')}`],
  data: `0x${(++values).toString(16).padStart(64, '0')}`,
});
const blocks = (count: number, logsPerBlock = 0): ModelLog[][] =>
  Array.from({ length: count }, (_, block) =>
    Array.from({ length: logsPerBlock }, (__, index) => log((block + index) % 5)),
  );

const decode = ({ topics, data }: RawLog): { eventName: string; args: Record<string, unknown> } | null =>
  topics[0] === undefined ? null : { eventName: 'Said', args: { key: topics[0], value: data } };

function makeIndexer(source: ChainSource, options: Partial<IndexerOptions<never>> = {}) {
  const store = new MemoryIndexerStore();
  const indexer = new Indexer({
    source,
    store,
    addresses: [ours],
    decode,
    startBlock: 0,
    logger: quiet,
    ...(options as object),
  });
  return { store, indexer };
}

async function settle(
  indexer: { syncOnce(): Promise<boolean>; status(): { cursor: number | null } },
  head: number,
): Promise<void> {
  for (let turn = 0; turn < 10_000; turn++) {
    const again = await indexer.syncOnce();
    if (!again && indexer.status().cursor === head) return;
  }
  throw new Error(`The indexer stands at ${String(indexer.status().cursor)}, the chain at ${String(head)}.`);
}

async function cleanReplay(chain: ModelChain, options: Partial<IndexerOptions<never>> = {}): Promise<string> {
  const { store, indexer } = makeIndexer(chain, options);
  await settle(indexer, chain.head);
  return store.dump();
}

describe('whatever the chain does', () => {
  const logsOfBlock = fc.array(fc.tuple(fc.nat({ max: 4 }), fc.boolean()), { maxLength: 4 });
  const someBlocks = fc.array(logsOfBlock, { maxLength: 12 });
  const step = fc.oneof(
    fc.record({ grow: someBlocks }),
    fc.record({ growLong: fc.nat({ max: 700 }), grow: someBlocks }),
    fc.record({ fork: fc.integer({ min: 1, max: 240 }), grow: someBlocks, growLong: fc.nat({ max: 250 }) }),
    fc.record({ sync: fc.integer({ min: 1, max: 6 }) }),
  );

  it('the tables are those of a clean replay (reorganisations to depth 240, failures, refusals, a head that moves)', async () => {
    const toLogs = (lists: [number, boolean][][]): ModelLog[][] =>
      lists.map((list) => list.map(([key, isOurs]) => log(key, isOurs ? ours : foreign)));
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 12 }),
        fc.integer(),
        fc.integer({ min: 1, max: 300 }),
        fc.constantFrom(3, 10_000),
        async (steps, seed, batchBlocks, batchEvents) => {
          const random = seededRandom(seed);
          const chain = new ModelChain();
          let troubled = true;
          let rewritten = 0; // all that one look at the chain may rewrite together: as deep as promised, not deeper
          const meanwhile = (): void => {
            if (!troubled || random() > 0.05) return;
            const depth = Math.min(Math.floor(random() * 5), 200 - rewritten);
            rewritten += Math.max(0, depth);
            chain.fork(Math.max(0, depth), blocks(Math.floor(random() * 6), 1));
          };
          const trouble = { random, failures: 0.01, maxLogs: 20, meanwhile };
          const options = { batchBlocks, batchEvents };
          const { store, indexer } = makeIndexer(unreliableSource(chain, trouble), options);
          for (const { sync, fork, grow, growLong } of steps as {
            sync?: number;
            fork?: number;
            grow?: [number, boolean][][];
            growLong?: number;
          }[]) {
            if (fork !== undefined) chain.fork(fork, []);
            if (grow !== undefined) chain.grow(toLogs(grow));
            if (growLong !== undefined) chain.grow(blocks(growLong));
            rewritten = 0;
            for (let turn = 0; turn < (sync ?? 0); turn++) {
              if (random() < 0.05) store.failNext = new Error('the database is away');
              await indexer.syncOnce().catch((error: unknown) => {
                if (!(error instanceof ChainUnavailableError) && !String(error).includes('database is away'))
                  throw error;
              });
            }
          }
          troubled = false;
          trouble.failures = 0;
          store.failNext = null;
          chain.grow(blocks(800)); // as many headers are kept as after a replay
          await settle(indexer, chain.head);
          expect(store.dump()).toBe(await cleanReplay(chain, options));
        },
      ),
      { numRuns: 150 },
    );
  }, 120_000);

  it('two indexers on one store write each block once', async () => {
    const chain = new ModelChain();
    chain.grow(blocks(200, 2));
    const { store, indexer } = makeIndexer(chain, { batchBlocks: 7 });
    const second = new Indexer({
      source: chain,
      store,
      addresses: [ours],
      decode,
      startBlock: 0,
      logger: quiet,
      batchBlocks: 5,
    });
    for (let turn = 0; turn < 60; turn++) {
      if (turn % 9 === 8) chain.fork(turn, blocks(turn + 3, 1));
      await Promise.all([indexer.syncOnce(), second.syncOnce()]);
    }
    await Promise.all([settle(indexer, chain.head), settle(second, chain.head)]);
    expect(store.dump()).toBe(await cleanReplay(chain));
  });

  it('a reorganisation of depth 240 is undone and one of depth 600 asks for a person', async () => {
    const chain = new ModelChain();
    chain.grow(blocks(1_000, 1));
    const { store, indexer } = makeIndexer(chain);
    await settle(indexer, chain.head);
    chain.fork(240, blocks(900, 1));
    await settle(indexer, chain.head);
    expect(store.dump()).toBe(await cleanReplay(chain));
    const before = store.dump();
    chain.fork(600, blocks(700, 1));
    await expect(indexer.syncOnce()).rejects.toThrow(ReorganisationTooDeepError);
    await expect(indexer.syncOnce()).rejects.toThrow(/RPC URL.*rebuilt from the chain/);
    expect(store.dump()).toBe(before);
  });

  it('a chain replaced from its start on is read anew while its start is kept', async () => {
    const chain = new ModelChain();
    chain.grow(blocks(50, 1));
    const { store, indexer } = makeIndexer(chain, { startBlock: 10 });
    await settle(indexer, chain.head);
    chain.fork(45, blocks(60, 1));
    await settle(indexer, chain.head);
    expect(store.dump()).toBe(await cleanReplay(chain, { startBlock: 10 }));
  });

  it('a node that lags behind undoes nothing; a chain that stays shorter does', async () => {
    const chain = new ModelChain();
    chain.grow(blocks(20, 1));
    const rollbacks: number[] = [];
    const { store, indexer } = makeIndexer(chain, {
      lagPolls: 3,
      onChange: ({ rolledBackTo }) => {
        if (rolledBackTo !== null) rollbacks.push(rolledBackTo);
      },
    });
    await settle(indexer, 20);
    chain.fork(4, []);
    for (let turn = 0; turn < 3; turn++) await indexer.syncOnce();
    expect(rollbacks).toEqual([]);
    await settle(indexer, 16);
    expect(rollbacks).toEqual([16]);
    expect(store.dump()).toBe(await cleanReplay(chain));
  });
});

describe('reading', () => {
  it('makes the range smaller until the node answers, and larger again', async () => {
    const chain = new ModelChain();
    chain.grow(blocks(400, 3));
    chain.grow(blocks(4_000));
    const ranges: number[] = [];
    const source = unreliableSource(chain, { random: () => 1, failures: 0, maxLogs: 50, meanwhile: () => undefined });
    const { store, indexer } = makeIndexer({
      ...source,
      logs: (from, to, addresses) => {
        ranges.push(to - from + 1);
        return source.logs(from, to, addresses);
      },
    });
    await settle(indexer, chain.head);
    expect(Math.min(...ranges)).toBeLessThanOrEqual(16);
    expect(ranges.at(-2)).toBeGreaterThan(500);
    expect(store.dump()).toBe(await cleanReplay(chain));
  });

  it('cannot get past a block that the node never gives, and says so', async () => {
    const chain = new ModelChain();
    chain.grow(blocks(1, 100));
    const { indexer } = makeIndexer(
      unreliableSource(chain, { random: () => 1, failures: 0, maxLogs: 50, meanwhile: () => undefined }),
    );
    await expect(settle(indexer, chain.head)).rejects.toThrow(TooManyLogsError);
  });

  it('keeps running through outages of node and store, and names them', async () => {
    const chain = new ModelChain();
    chain.grow(blocks(5, 1));
    let down = true;
    const { store, indexer } = makeIndexer(
      unreliableSource(chain, { random: () => (down ? 0 : 1), failures: 0.5, maxLogs: 50, meanwhile: () => undefined }),
      { pollMs: 1, random: () => 0 },
    );
    const stopping = new AbortController();
    const running = indexer.run(stopping.signal);
    const until = async (state: string): Promise<void> => {
      while (indexer.status().state !== state) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    await until('chain unavailable');
    expect(indexer.status().lastError).toMatch(/connection reset/);
    down = false;
    await until('following');
    expect(indexer.status()).toMatchObject({ cursor: 5, lastError: null });
    store.transaction = () => Promise.reject(new Error('database is away'));
    chain.grow(blocks(1, 1));
    await until('store unavailable');
    // More failures than any count of attempts would allow: it never gives up.
    await new Promise((resolve) => setTimeout(resolve, 300));
    store.transaction = (work) => MemoryIndexerStore.prototype.transaction.call(store, work as never) as never;
    await until('following');
    stopping.abort();
    await running;
    expect(indexer.status()).toMatchObject({ state: 'stopped', cursor: 6 });
    expect(store.dump()).toBe(await cleanReplay(chain));
  });

  it('stops on a chain that is another one, with the reason in its status', async () => {
    const chain = new ModelChain();
    chain.grow(blocks(1_000));
    const { indexer } = makeIndexer(chain, { keptHeaders: 10, pollMs: 1 });
    await settle(indexer, chain.head);
    chain.fork(900, blocks(901));
    await expect(indexer.run(new AbortController().signal)).rejects.toThrow(ReorganisationTooDeepError);
    expect(indexer.status()).toMatchObject({ state: 'stopped', lastError: expect.stringContaining('RPC URL') });
  });
});

describe('a hostile node', () => {
  const wire = (chain: ModelChain): ((method: string, params: unknown[]) => Promise<unknown>) => {
    const hex = (value: number): string => `0x${value.toString(16)}`;
    return async (method, params) => {
      if (method === 'eth_blockNumber') return hex(chain.head);
      if (method === 'eth_getBlockByNumber') {
        const block = await chain.block(Number(params[0]));
        return block && { ...block, number: hex(block.number), timestamp: hex(block.timestamp) };
      }
      const { fromBlock, toBlock, address } = params[0] as { fromBlock: string; toBlock: string; address: never[] };
      const found = await chain.logs(Number(fromBlock), Number(toBlock), address);
      return found.map((entry) => ({ ...entry, blockNumber: hex(entry.blockNumber), logIndex: hex(entry.logIndex) }));
    };
  };

  /** One value somewhere in an answer becomes another one. */
  function damage(answer: unknown, random: () => number, junk: unknown): unknown {
    if (Array.isArray(answer) && answer.length > 0 && random() < 0.8) {
      const at = Math.floor(random() * answer.length);
      return answer.map((item, index) => (index === at ? damage(item, random, junk) : (item as unknown)));
    }
    if (typeof answer === 'object' && answer !== null && random() < 0.9) {
      const names = Object.keys(answer);
      const name = names[Math.floor(random() * names.length)] ?? '';
      return { ...answer, [name]: damage((answer as Record<string, unknown>)[name], random, junk) };
    }
    return junk;
  }

  it('never crashes the indexer, and the tables are right once it is honest', async () => {
    const junk = fc.oneof(
      fc.anything(),
      fc.constantFrom('0x', '0xffffffff', '0x7fffffff', `0x${'f'.repeat(64)}`, '0x00', '-0x1', 'latest', '__proto__'),
      fc.nat({ max: 40 }).map((value) => `0x${value.toString(16)}`),
      fc.constantFrom(1, 2, 40).map((count) => '0x'.padEnd(2 + 64 * count, '0')),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(junk, { minLength: 1, maxLength: 30 }), fc.integer(), async (pieces, seed) => {
        const random = seededRandom(seed);
        const chain = new ModelChain();
        chain.grow(blocks(30, 2));
        const send = wire(chain);
        let honest = false;
        const { store, indexer } = makeIndexer(
          rpcChainSource({
            send: async (method: string, params: unknown[]) => {
              const answer = await send(method, params);
              return honest || random() < 0.5
                ? answer
                : damage(answer, random, pieces[Math.floor(random() * pieces.length)]);
            },
          } as never),
          { batchBlocks: 9 },
        );
        for (let turn = 0; turn < 12; turn++)
          await indexer.syncOnce().catch((error: unknown) => {
            expect(error).toBeInstanceOf(ChainError);
            expect(String(error).length).toBeLessThan(2_000);
          });
        honest = true;
        // What a lie made it read may be undone like a reorganisation, or be told apart from the chain for good.
        chain.grow(blocks(5, 1));
        await settle(indexer, chain.head);
        // A lie about a log's contents cannot be told from the truth; its place on the chain can.
        const [headers, events] = JSON.parse(store.dump()) as [
          { hash: string }[],
          { id: string; blockNumber: number }[],
        ];
        expect(headers.at(-1)).toEqual(await chain.block(chain.head));
        const places = events.map(({ id }) => id);
        expect(new Set(places).size).toBe(places.length);
        for (const [index, { blockNumber }] of events.entries())
          expect(blockNumber).toBeGreaterThanOrEqual(events[index - 1]?.blockNumber ?? 0);
      }),
      { numRuns: 100 },
    );
  }, 60_000);

  const block = { number: '0x0', hash: `0x${'1'.repeat(64)}`, parentHash: `0x${'0'.repeat(64)}`, timestamp: '0x1' };
  const entry = {
    blockNumber: '0x0',
    blockHash: block.hash,
    logIndex: '0x0',
    transactionHash: `0x${'2'.repeat(64)}`,
    address: ours,
    topics: [`0x${'3'.repeat(64)}`],
    data: '0x',
  };
  const answering = (logs: unknown): ChainSource =>
    rpcChainSource({
      send: (method: string) =>
        Promise.resolve(method === 'eth_blockNumber' ? '0x0' : method === 'eth_getLogs' ? logs : block),
    } as never);

  it.each([
    ['a log out of the range', [{ ...entry, blockNumber: '0x5' }]],
    ['a log of another block', [{ ...entry, blockHash: `0x${'9'.repeat(64)}` }]],
    ['a log twice', [entry, entry]],
    ['a log without topics list', [{ ...entry, topics: null }]],
    ['a log with half a byte', [{ ...entry, data: '0x1' }]],
    ['a log of two megabytes', [{ ...entry, data: `0x${'00'.repeat(2 ** 20)}` }]],
    ['text', 'no logs'],
    ['nothing', null],
  ])('%s is refused with a reason, and nothing is written', async (_, logs) => {
    const { store, indexer } = makeIndexer(answering(logs));
    await expect(indexer.syncOnce()).rejects.toThrow(ChainUnavailableError);
    expect(await store.head()).toBeNull();
  });

  it('a log of another contract is left out', async () => {
    const { store, indexer } = makeIndexer(answering([{ ...entry, address: foreign }]));
    await indexer.syncOnce();
    expect(store.dump()).not.toContain('Said');
  });

  it('a block under a wrong number is refused', async () => {
    const source = answering([]);
    const { indexer } = makeIndexer({ ...source, block: async () => ({ ...(await source.block(0))!, number: 7 }) });
    await expect(indexer.syncOnce()).rejects.toThrow(/block 7 was given for block 0/);
  });

  it('more logs than are read at once make the range smaller', async () => {
    const many = Array.from({ length: 200_001 }, () => entry);
    await expect(answering(many).logs(0, 10, [ours])).rejects.toThrow(TooManyLogsError);
  });

  it.each(['query returned more than 10000 results', 'block range is too large', 'response size exceeded'])(
    'the refusal "%s" of a node is understood',
    async (message) => {
      const source = rpcChainSource({ send: () => Promise.reject(new Error(message)) } as never);
      await expect(source.logs(0, 10, [ours])).rejects.toThrow(TooManyLogsError);
    },
  );
});
