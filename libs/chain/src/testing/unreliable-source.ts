import { type ChainSource, TooManyLogsError } from '../chain-source.ts';
import { ChainUnavailableError } from '../errors.ts';

export interface Unreliability {
  /** 0 to 1, the same sequence for the same test. */
  random: () => number;
  /** Share of questions that fail. */
  failures: number;
  /** More logs than this are refused. */
  maxLogs: number;
  /** Called before each answer: the chain may change between two of them. */
  meanwhile: () => void;
}

/** A node that fails, refuses large answers, and whose chain changes between two answers. */
export function unreliableSource(source: ChainSource, options: Unreliability): ChainSource {
  const ask = async <T>(operation: string, question: () => Promise<T>): Promise<T> => {
    options.meanwhile();
    if (options.random() < options.failures) throw new ChainUnavailableError(operation, new Error('connection reset'));
    return question();
  };
  return {
    headNumber: () => ask('eth_blockNumber', () => source.headNumber()),
    block: (number) => ask('eth_getBlockByNumber', () => source.block(number)),
    logs: (from, to, addresses) =>
      ask('eth_getLogs', async () => {
        const logs = await source.logs(from, to, addresses);
        if (logs.length > options.maxLogs) throw new TooManyLogsError(`${String(logs.length)} logs are too many`);
        return logs;
      }),
  };
}

/** A sequence of numbers in 0..1 that depends on the seed alone (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
