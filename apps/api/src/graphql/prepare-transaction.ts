import {
  asChainError,
  CallRevertedError,
  ChainUnavailableError,
  sampledQuorumAbi,
  trainerRegistryAbi,
  trainingMarketAbi,
} from '@cotrain/chain';
import type { Hex } from '@cotrain/protocol';
import { formatEther, isError } from 'ethers';
import type { ApiContext } from '../context.ts';
import { type AnyFailure, ContractRefusalError, fail, UnavailableError } from './failures.ts';
import { UnsignedTransaction } from './transaction-types.ts';

export const zeroAddress: Hex = `0x${'0'.repeat(40)}`;

const errorAbi = [...trainingMarketAbi, ...trainerRegistryAbi, ...sampledQuorumAbi].filter(
  (entry) => entry.type === 'error',
);

/**
 * A transaction for its sender to sign, after it was tried against the newest block: what the contract would refuse
 * is told now, before it costs gas.
 */
export async function prepareTransaction(
  { provider, deployment }: Pick<ApiContext, 'provider' | 'deployment'>,
  from: string,
  transaction: { to: string; data: string; valueWei: bigint; summary: string },
): Promise<UnsignedTransaction | AnyFailure> {
  const { to, data, valueWei, summary } = transaction;
  try {
    await provider.call({ from, to, data, value: valueWei });
  } catch (error) {
    const reason = asChainError(error, 'trying the transaction', errorAbi);
    const isUnexplained = reason instanceof CallRevertedError && reason.errorName === null;
    if (isError(error, 'INSUFFICIENT_FUNDS') || (isUnexplained && (await cannotPay(provider, from, valueWei))))
      return fail(ContractRefusalError, {
        reason: null,
        message: `${from} does not have the ${amount(valueWei, zeroAddress)} that the transaction sends. Send ETH to it, or use another account.`,
      });
    if (reason instanceof CallRevertedError)
      return fail(ContractRefusalError, { reason: reason.errorName, message: reason.message });
    return fail(UnavailableError, { message: 'The chain does not answer now; try again.' });
  }
  return Object.assign(new UnsignedTransaction(), {
    chainId: deployment.chainId,
    to,
    data,
    valueWei: String(valueWei),
    summary,
  });
}

/** Nodes refuse a call whose sender cannot pay its value, and not all of them say so. */
async function cannotPay(provider: ApiContext['provider'], from: string, valueWei: bigint): Promise<boolean> {
  if (valueWei === 0n) return false;
  try {
    return (await provider.getBalance(from)) < valueWei;
  } catch (error) {
    // What the refusal says already stands.
    if (asChainError(error, 'reading a balance') instanceof ChainUnavailableError) return false;
    throw error;
  }
}

/** An amount in words: ETH with its wei, or the smallest units of a token. */
export function amount(wei: bigint, token: string): string {
  return token === zeroAddress
    ? `${formatEther(wei)} ETH (${String(wei)} wei)`
    : `${String(wei)} of the smallest unit of token ${token}`;
}
