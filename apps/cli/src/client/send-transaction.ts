import {
  asChainError,
  CallRevertedError,
  ChainUnavailableError,
  sampledQuorumAbi,
  trainerRegistryAbi,
  trainingMarketAbi,
} from '@cotrain/chain';
import { isError, type Log, type Wallet } from 'ethers';
import { ether } from '../terminal/amount.ts';
import type { UnsignedTransaction } from './api-client.ts';
import { CommandError, exitCodes } from './errors.ts';

/** What was mined. */
export interface SentTransaction {
  hash: string;
  gasUsed: bigint;
  /** gasUsed at the price that was paid. */
  gasWei: bigint;
  logs: readonly Log[];
}

const errorAbi = [...trainingMarketAbi, ...trainerRegistryAbi, ...sampledQuorumAbi].filter(
  (entry) => entry.type === 'error',
);
/** How long a transaction may wait for its block. */
const minedTimeoutMs = 300_000;

/**
 * Signs a prepared transaction with the user's own key, sends it and waits until it is mined.
 * @throws CommandError: 1 when the contract refuses it, 2 on another chain, 4 when the chain does not answer
 */
export async function sendTransaction(
  wallet: Wallet,
  transaction: Pick<UnsignedTransaction, 'to' | 'data' | 'valueWei'> & { chainId?: number },
): Promise<SentTransaction> {
  const call = { to: transaction.to, data: transaction.data, value: BigInt(transaction.valueWei) };
  try {
    const chainId = Number((await wallet.provider?.getNetwork())?.chainId ?? 0);
    if (transaction.chainId !== undefined && transaction.chainId !== chainId) {
      throw new CommandError(
        exitCodes.usage,
        `The transaction is for chain ${String(transaction.chainId)}, but --rpc leads to chain ${String(chainId)}. Name an RPC URL of the market's chain.`,
      );
    }
    // Others act in the same block: the payer whose share turns out to be the last one pays for opening the auction.
    const estimate = await wallet.estimateGas(call);
    const sent = await wallet.sendTransaction({ ...call, gasLimit: (estimate * 3n) / 2n + 50_000n });
    const receipt = await sent.wait(1, minedTimeoutMs);
    if (receipt === null) throw new CommandError(exitCodes.unavailable, 'The transaction was dropped; try again.');
    const { hash, gasUsed, gasPrice, logs } = receipt;
    return { hash, gasUsed, gasWei: gasUsed * gasPrice, logs };
  } catch (error) {
    if (error instanceof CommandError) throw error;
    const reason = asChainError(error, 'sending the transaction', errorAbi);
    const isUnexplained = reason instanceof CallRevertedError && reason.errorName === null;
    if (isError(error, 'INSUFFICIENT_FUNDS') || (isUnexplained && (await cannotPay(wallet, call.value))))
      throw new CommandError(
        exitCodes.failure,
        `${wallet.address} does not have the ${ether(call.value)} ETH that the transaction sends, and what its gas costs. Send ETH to it, or use another key.`,
        { cause: error },
      );
    throw new CommandError(reason.retryable ? exitCodes.unavailable : exitCodes.failure, reason.message, {
      cause: error,
    });
  }
}

/** Nodes refuse a call whose sender cannot pay its value, and not all of them say so. */
async function cannotPay({ address, provider }: Wallet, valueWei: bigint): Promise<boolean> {
  if (provider === null || valueWei === 0n) return false;
  try {
    return (await provider.getBalance(address)) < valueWei;
  } catch (error) {
    // What the refusal says already stands.
    if (asChainError(error, 'reading a balance') instanceof ChainUnavailableError) return false;
    throw error;
  }
}
