import type { JsonRpcProvider } from 'ethers';

/** An address that the demo's money can be at. */
export interface Account {
  name: string;
  address: string;
}

/** Balances in wei, by address. */
export type Balances = Map<string, bigint>;

/** All balances at one block. */
export async function readBalances(
  provider: JsonRpcProvider,
  accounts: readonly Account[],
  blockNumber: number,
): Promise<Balances> {
  const balances = await Promise.all(
    accounts.map(async ({ address }): Promise<[string, bigint]> => [
      address,
      await provider.getBalance(address, blockNumber),
    ]),
  );
  return new Map(balances);
}

/** What all transactions of a range of blocks paid for gas, in wei. */
export async function gasPaid(provider: JsonRpcProvider, fromBlock: number, toBlock: number): Promise<bigint> {
  let paidWei = 0n;
  for (let number = fromBlock; number <= toBlock; number++) {
    const receipts = (await provider.send('eth_getBlockReceipts', [`0x${number.toString(16)}`])) as {
      gasUsed: string;
      effectiveGasPrice: string;
    }[];
    for (const { gasUsed, effectiveGasPrice } of receipts) paidWei += BigInt(gasUsed) * BigInt(effectiveGasPrice);
  }
  return paidWei;
}
