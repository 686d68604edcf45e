import type { Wallet } from 'ethers';
import { asChainError, sampledQuorumAbi, trainerRegistryAbi, trainingMarketAbi } from '@cotrain/chain';
import type { UnsignedTransaction } from './api-client.ts';
import { CommandError, exitCodes } from './errors.ts';

/** What was mined. */
export interface SentTransaction {
  hash: string;
  gasUsed: bigint;
}

const errorAbi = [...trainingMarketAbi, ...trainerRegistryAbi, ...sampledQuorumAbi].filter(
  (entry) => entry.type === 'error',
);

/** Signs a prepared transaction with the user's own key, sends it and waits until it is mined. */
export async function sendTransaction(
  wallet: Wallet,
  transaction: Pick<UnsignedTransaction, 'to' | 'data' | 'valueWei'> & { chainId?: number },
): Promise<SentTransaction> {
  const chainId = Number((await wallet.provider?.getNetwork())?.chainId ?? 0);
  if (transaction.chainId !== undefined && transaction.chainId !== chainId) {
    throw new CommandError(
      exitCodes.usage,
      `The transaction is for chain ${String(transaction.chainId)}, but the RPC URL leads to chain ${String(chainId)}.`,
    );
  }
  const call = { to: transaction.to, data: transaction.data, value: BigInt(transaction.valueWei) };
  try {
    // Others act in the same block: the payer whose share turns out to be the last one pays for opening the auction.
    const estimate = await wallet.estimateGas(call);
    const sent = await wallet.sendTransaction({ ...call, gasLimit: (estimate * 3n) / 2n + 50_000n });
    const receipt = await sent.wait();
    if (receipt === null) throw new CommandError(exitCodes.unavailable, 'The transaction was dropped; try again.');
    return { hash: receipt.hash, gasUsed: receipt.gasUsed };
  } catch (error) {
    if (error instanceof CommandError) throw error;
    const reason = asChainError(error, 'sending the transaction', errorAbi);
    throw new CommandError(reason.retryable ? exitCodes.unavailable : exitCodes.failure, reason.message, {
      cause: error,
    });
  }
}
