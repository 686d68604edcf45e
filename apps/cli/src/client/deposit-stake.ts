import type { Wallet } from 'ethers';
import type { ApiClient } from './api-client.ts';
import { sendTransaction, type SentTransaction } from './send-transaction.ts';

/** Deposits the wallet's ETH as a trainer's stake, which only that trainer can take back. */
export async function depositStake(
  api: ApiClient,
  wallet: Wallet,
  trainer: string,
  amountWei: bigint,
): Promise<SentTransaction> {
  const deposit = await api.prepare(
    'prepareDepositStake',
    'trainer: $trainer, amountWei: $amountWei',
    '$trainer: Address!, $amountWei: Wei!',
    { trainer, amountWei: String(amountWei) },
  );
  return sendTransaction(wallet, deposit);
}
