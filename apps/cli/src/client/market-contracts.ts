import { readContract, sampledQuorumAbi, trainingMarketAbi } from '@cotrain/chain';
import type { Hex } from '@cotrain/protocol';
import type { Provider } from 'ethers';
import type { ApiClient } from './api-client.ts';
import { CommandError, exitCodes } from './errors.ts';

/** Where a market's contracts are. */
export interface MarketContracts {
  market: Hex;
  registry: Hex;
  quorum: Hex;
}

/**
 * The contracts of an API's market, checked: the market is the one that is pinned, the registry is the one that the
 * market says, and the market has admitted the quorum, which belongs to it.
 * @param pinned the market that the user means; null takes the API's word for it
 * @throws CommandError with exit code 1 when something is not so
 */
export async function readMarketContracts(
  api: ApiClient,
  provider: Provider,
  pinned: string | null,
): Promise<MarketContracts> {
  const told = (await api.query<{ market: MarketContracts }>('{ market { market registry quorum } }')).market;
  if (pinned !== null && !isSame(told.market, pinned))
    throw new CommandError(
      exitCodes.failure,
      `The API works for the market ${told.market}, and you mean ${pinned}. Nothing was signed. Is --api the API of that market?`,
    );
  const { market, quorum } = told;
  const abi = trainingMarketAbi;
  const [registry, isAdmitted, marketOfQuorum] = await Promise.all([
    readContract(provider, { abi, address: market, functionName: 'registry', args: [] }),
    readContract(provider, { abi, address: market, functionName: 'isVerifier', args: [quorum] }),
    readContract(provider, { abi: sampledQuorumAbi, address: quorum, functionName: 'market', args: [] }),
  ]);
  if (!isSame(registry, told.registry))
    throw new CommandError(
      exitCodes.failure,
      `The API says that the registry is ${told.registry}, the market ${market} that it is ${registry}. Nothing was signed.`,
    );
  if (!isAdmitted || !isSame(marketOfQuorum, market))
    throw new CommandError(
      exitCodes.failure,
      `The API says that the quorum is ${quorum}, which the market ${market} has not admitted. Nothing was signed.`,
    );
  return { market, registry, quorum };
}

function isSame(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
