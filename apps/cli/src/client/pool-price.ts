import type { Connection } from './connection.ts';
import { CommandError, exitCodes } from './errors.ts';
import { readPayableToken } from './payable-token.ts';
import { etherToken, isEther, type PayableToken, tokenLabel, toUnits } from './token.ts';

/** What a pool takes, and how much of it at least. */
export interface PoolPrice {
  tokens: string[];
  /** For an hour of a GPU, in the smallest unit of each of the tokens. */
  floorPriceUnits: bigint;
}

/**
 * The floor price in smallest units. A pool has one number for all its tokens, so they must count alike.
 * @throws CommandError with exit code 2 when they do not, or one is no token
 */
export async function poolPrice(
  connection: Pick<Connection, 'provider'>,
  floorPrice: string,
  addresses: readonly string[] = [etherToken.address],
): Promise<PoolPrice> {
  const tokens: PayableToken[] = [];
  for (const address of addresses)
    tokens.push(isEther({ address }) ? etherToken : await readPayableToken(connection, address));
  const [first, ...others] = tokens;
  if (first === undefined) throw new CommandError(exitCodes.usage, '--token names no token. Give at least one.');
  const different = others.find(({ decimals }) => decimals !== first.decimals);
  if (different !== undefined)
    throw new CommandError(
      exitCodes.usage,
      `--token: ${tokenLabel(first)} has ${String(first.decimals)} decimals and ${tokenLabel(different)} ${String(different.decimals)}, so --floor-price cannot be the same number. Register a pool for each.`,
    );
  return {
    tokens: tokens.map(({ address }) => address),
    floorPriceUnits: toUnits(floorPrice, first.decimals, '--floor-price'),
  };
}
