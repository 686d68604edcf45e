import type { Wallet } from 'ethers';
import { fetchAccount } from './account.ts';
import type { ApiClient } from './api-client.ts';
import { sendTransaction } from './send-transaction.ts';
import { etherToken } from './token.ts';

/** The contracts that owe money: for offers, and to validators and challengers. */
export type PayingContract = 'Market' | 'Quorum';

/** What was paid out of one contract, in the smallest unit of the token. */
export interface Payout {
  contract: PayingContract;
  amountWei: bigint;
  transaction: string;
  gasUsed: bigint;
}

/** Pays out all that a contract owes the wallet in a token; null when it owes nothing. */
export async function withdrawCredit(
  api: ApiClient,
  wallet: Wallet,
  contract: PayingContract,
  token = etherToken.address,
): Promise<Payout | null> {
  const account = await fetchAccount(api, wallet.address, token);
  const amountWei = BigInt(contract === 'Market' ? account.marketCreditWei : account.quorumCreditWei);
  if (amountWei === 0n) return null;
  const transaction = await api.prepare(
    'prepareWithdraw',
    'token: $token, contract: $contract',
    '$token: Address!, $contract: PayingContract!',
    { token, contract },
  );
  const { hash, gasUsed } = await sendTransaction(wallet, transaction);
  return { contract, amountWei, transaction: hash, gasUsed };
}
