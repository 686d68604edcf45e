import type { Provider, TransactionResponse } from 'ethers';

/**
 * The transaction that spent a nonce, at most at height `to`; null if there is none. The block is found by bisection,
 * which asks for old states: a node that has pruned them answers with an error.
 */
export async function findTransaction(
  provider: Provider,
  address: string,
  nonce: number,
  to: number,
): Promise<TransactionResponse | null> {
  let low = -1; // there the nonce is unspent
  let high = to;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if ((await provider.getTransactionCount(address, middle)) > nonce) high = middle;
    else low = middle;
  }
  const block = await provider.getBlock(high, true);
  return block?.prefetchedTransactions.find((sent) => sent.from === address && sent.nonce === nonce) ?? null;
}
