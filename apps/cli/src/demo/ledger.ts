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
  const balances: Balances = new Map();
  for (const { address } of accounts) balances.set(address, await provider.getBalance(address, blockNumber));
  return balances;
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

/** Wei as ETH with all 18 digits, so that a column of them can be checked by eye. */
export function ether(wei: bigint): string {
  const sign = wei < 0n ? '-' : '';
  const digits = String(wei < 0n ? -wei : wei).padStart(19, '0');
  return `${sign}${digits.slice(0, -18)}.${digits.slice(-18)}`;
}
