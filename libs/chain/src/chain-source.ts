import { isError, type JsonRpcProvider } from 'ethers';
import { z } from 'zod';
import { ChainError, ChainUnavailableError } from './errors.ts';
import type { BlockHeader } from './indexer-store.ts';

type Hex = `0x${string}`;

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

/** The node refuses to return that many logs at once. */
export class TooManyLogsError extends ChainError {
  readonly retryable = true;
}

const quantity = z
  .string()
  .regex(/^0x[0-9a-f]{1,13}$/)
  .transform((hex) => Number.parseInt(hex, 16));
const hash = z.string().regex(/^0x[0-9a-f]{64}$/) as unknown as z.ZodType<Hex>;
const blockSchema = z.object({ number: quantity, hash, parentHash: hash, timestamp: quantity }).nullable();
const logsSchema = z.array(
  z.object({
    blockNumber: quantity,
    blockHash: hash,
    logIndex: quantity,
    transactionHash: hash,
    address: z.string().regex(/^0x[0-9a-f]{40}$/) as unknown as z.ZodType<Hex>,
    topics: z.array(hash).max(4),
    data: z
      .string()
      .max(2 ** 20)
      .regex(/^0x[0-9a-f]*$/) as unknown as z.ZodType<Hex>,
  }),
);

/** A node over JSON-RPC. Its answers are checked: a node is not trusted to be well-formed. */
export function rpcChainSource(provider: JsonRpcProvider): ChainSource {
  const ask = async <T>(method: string, params: unknown[], schema: z.ZodType<T>): Promise<T> => {
    try {
      return schema.parse(await provider.send(method, params));
    } catch (error) {
      if (isTooMany(error))
        throw new TooManyLogsError(`The node refuses the range: ${String(error)}`, { cause: error });
      throw new ChainUnavailableError(method, error);
    }
  };
  const hex = (number: number): string => `0x${number.toString(16)}`;
  return {
    headNumber: () => ask('eth_blockNumber', [], quantity),
    block: (number) => ask('eth_getBlockByNumber', [hex(number), false], blockSchema),
    logs: (fromBlock, toBlock, addresses) =>
      ask('eth_getLogs', [{ fromBlock: hex(fromBlock), toBlock: hex(toBlock), address: addresses }], logsSchema),
  };
}

function isTooMany(error: unknown): boolean {
  const text = isError(error, 'UNKNOWN_ERROR') ? JSON.stringify(error.error ?? '') : String(error);
  return /too many|query returned more than|block range|limit exceeded|response size/i.test(text);
}
