import type { Hex } from '@cotrain/protocol';
import { isError, type JsonRpcProvider } from 'ethers';
import { z } from 'zod';
import { ChainError, ChainUnavailableError } from './errors.ts';
import type { BlockHeader } from './indexer-store.ts';

/** A log as the node gives it. */
export interface RawLog {
  blockNumber: number;
  blockHash: Hex;
  logIndex: number;
  transactionHash: Hex;
  address: Hex;
  topics: Hex[];
  data: Hex;
}

/** What the indexer needs of a node; a model of a chain implements it in tests. */
export interface ChainSource {
  headNumber(): Promise<number>;
  /** Null when the block does not exist (any more). */
  block(number: number): Promise<BlockHeader | null>;
  /** @throws TooManyLogsError when the range must be made smaller */
  logs(fromBlock: number, toBlock: number, addresses: readonly Hex[]): Promise<RawLog[]>;
}

/** The node refuses to return that many logs at once, or returns more than are read at once. */
export class TooManyLogsError extends ChainError {
  readonly retryable = true;
}

/** Most logs that are taken from one answer; also what a block can hold at 200 million gas. */
const maxLogsPerAnswer = 200_000;
const maxDataCharacters = 2 ** 20;

const largestInt32 = 2 ** 31 - 1;

/** Block and log numbers: what fits a 32-bit column, far above any chain's. */
const quantity = z
  .string()
  .regex(/^0x[0-9a-f]{1,8}$/)
  .transform((hex) => Number.parseInt(hex, 16))
  .refine((value) => value <= largestInt32, 'is more than 2^31 - 1');
/** Later times than a 32-bit column holds (19 January 2038) are taken for that moment: a clock must not stop the index. */
const seconds = z
  .string()
  .regex(/^0x[0-9a-f]{1,16}$/)
  .transform((hex) => Math.min(Number.parseInt(hex, 16), largestInt32));
const hash = z.string().regex(/^0x[0-9a-f]{64}$/) as unknown as z.ZodType<Hex>;
const blockSchema = z.object({ number: quantity, hash, parentHash: hash, timestamp: seconds }).nullable();
const logSchema = z.object({
  blockNumber: quantity,
  blockHash: hash,
  logIndex: quantity,
  transactionHash: hash,
  address: z.string().regex(/^0x[0-9a-f]{40}$/) as unknown as z.ZodType<Hex>,
  topics: z.array(hash).max(4),
  data: z
    .string()
    .max(maxDataCharacters)
    .regex(/^0x(?:[0-9a-f]{2})*$/) as unknown as z.ZodType<Hex>,
});

/** A node over JSON-RPC. Its answers are checked: a node is not trusted to be well-formed. */
export function rpcChainSource(provider: Pick<JsonRpcProvider, 'send'>): ChainSource {
  const ask = async <T>(method: string, params: unknown[], parse: (answer: unknown) => T): Promise<T> => {
    try {
      return parse(await provider.send(method, params));
    } catch (error) {
      if (error instanceof TooManyLogsError) throw error;
      if (isTooMany(error))
        throw new TooManyLogsError(`The node refuses the range: ${String(error).slice(0, 500)}`, { cause: error });
      throw new ChainUnavailableError(method, error instanceof z.ZodError ? nonsense(error) : error);
    }
  };
  const hex = (number: number): string => `0x${number.toString(16)}`;
  return {
    headNumber: () => ask('eth_blockNumber', [], (answer) => quantity.parse(answer)),
    block: (number) => ask('eth_getBlockByNumber', [hex(number), false], (answer) => blockSchema.parse(answer)),
    logs: (fromBlock, toBlock, addresses) =>
      ask('eth_getLogs', [{ fromBlock: hex(fromBlock), toBlock: hex(toBlock), address: addresses }], parseLogs),
  };
}

/** One by one, so that the first broken one ends it: a list of a million errors is no help and much memory. */
function parseLogs(answer: unknown): RawLog[] {
  const list = z.array(z.unknown()).parse(answer);
  if (list.length > maxLogsPerAnswer)
    throw new TooManyLogsError(
      `The node gave ${String(list.length)} logs; ${String(maxLogsPerAnswer)} are read at once.`,
    );
  return list.map((log) => logSchema.parse(log));
}

function nonsense(error: z.ZodError): Error {
  const issue = error.issues[0];
  return new Error(
    `its answer is malformed at ${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? ''}`.slice(0, 500),
  );
}

function isTooMany(error: unknown): boolean {
  const text = isError(error, 'UNKNOWN_ERROR') ? JSON.stringify(error.error ?? '') : String(error);
  return /too many|query returned more than|block range|limit exceeded|response size/i.test(text);
}
