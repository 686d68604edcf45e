import type { Hex } from '@cotrain/protocol';
import type { ChainSource, RawLog } from './chain-source.ts';
import { ChainUnavailableError } from './errors.ts';
import type { BlockHeader } from './indexer-store.ts';

const requestsAtOnce = 32;

/** Consecutive blocks as read from the node, proven to be of one chain. */
export interface ChainBatch {
  to: number;
  /** Logs in chain order. */
  logs: RawLog[];
  /** Headers of every block that has a log, and all of `keepFrom` to `to`. */
  headers: Map<number, BlockHeader>;
  /** Lowest height whose header is worth keeping. */
  keepFrom: number;
}

export interface ChainBatchRequest {
  source: ChainSource;
  addresses: readonly Hex[];
  from: number;
  to: number;
  /** The indexed block that `from` must follow; null at the start. */
  parent: BlockHeader | null;
  /** Blocks from this height on may still be reorganised: their headers are kept. */
  reorganisableFrom: number;
  /** Blocks are left out at the end when there are more logs than this; one block is always whole. */
  maxLogs: number;
}

/**
 * Reads logs and headers. The chain may change in the middle of it, and a load balancer may mix the answers of several
 * nodes: the last block must be the same before the logs are read and at the end, headers must follow each other and the
 * indexed block, and each log must be of its block.
 * @throws ChainUnavailableError when the answers contradict each other (it is worth trying again); TooManyLogsError
 */
export async function readChainBatch(request: ChainBatchRequest): Promise<ChainBatch> {
  const { source, addresses, from, parent } = request;
  const last = await headerOf(source, request.to);
  const wanted = new Set(addresses.map((address) => address.toLowerCase()));
  const found = (await source.logs(from, request.to, addresses))
    .filter((log) => wanted.has(log.address.toLowerCase()))
    .sort((a, b) => a.blockNumber - b.blockNumber || a.logIndex - b.logIndex);
  const to = lastWholeBlock(found, request);
  const logs = found.filter(({ blockNumber }) => blockNumber <= to);
  const keepFrom = Math.max(from, Math.min(to, request.reorganisableFrom));
  const numbers = new Set([from, ...logs.map(({ blockNumber }) => blockNumber)]);
  for (let number = keepFrom; number <= to; number++) numbers.add(number);
  const headers = await headersOf(source, [...numbers]);
  const confirmed = await headerOf(source, request.to);
  if (confirmed.hash !== last.hash) throw contradiction(`block ${String(request.to)} changed while it was read`);
  for (const header of headers.values()) {
    const before = header.number === from ? parent : headers.get(header.number - 1);
    if (before && header.parentHash !== before.hash)
      throw contradiction(`block ${String(header.number)} does not follow ${before.hash}`);
  }
  let previous = '';
  for (const { blockNumber, blockHash, logIndex } of logs) {
    const place = `log ${String(logIndex)} of block ${String(blockNumber)}`;
    if (headers.get(blockNumber)?.hash !== blockHash) throw contradiction(`${place} is of another block ${blockHash}`);
    if (place === previous) throw contradiction(`${place} comes twice`);
    previous = place;
  }
  return { to, logs, headers, keepFrom };
}

/** Where to stop so that at most `maxLogs` are taken, with whole blocks and at least one. */
function lastWholeBlock(logs: readonly RawLog[], { from, to, maxLogs }: ChainBatchRequest): number {
  const stray = logs.find(({ blockNumber }) => blockNumber < from || blockNumber > to);
  if (stray !== undefined)
    throw contradiction(
      `a log of block ${String(stray.blockNumber)} was not asked for (${String(from)} to ${String(to)})`,
    );
  const next = logs[maxLogs];
  if (next === undefined) return to;
  return next.blockNumber > (logs[0]?.blockNumber ?? from) ? next.blockNumber - 1 : next.blockNumber;
}

async function headersOf(source: ChainSource, numbers: readonly number[]): Promise<Map<number, BlockHeader>> {
  const found = new Map<number, BlockHeader>();
  for (let start = 0; start < numbers.length; start += requestsAtOnce) {
    const some = numbers.slice(start, start + requestsAtOnce);
    for (const header of await Promise.all(some.map((number) => headerOf(source, number))))
      found.set(header.number, header);
  }
  return found;
}

async function headerOf(source: ChainSource, number: number): Promise<BlockHeader> {
  const header = await source.block(number);
  if (header === null) throw contradiction(`block ${String(number)} is below the head, yet it is not there`);
  if (header.number !== number)
    throw contradiction(`block ${String(header.number)} was given for block ${String(number)}`);
  return header;
}

function contradiction(what: string): ChainUnavailableError {
  return new ChainUnavailableError(
    'consistently',
    new Error(`${what} (the chain is being reorganised, or several nodes answer in turn)`),
  );
}
