import { encodeCall, readContract, trainingMarketAbi } from '@cotrain/chain';
import type { Wallet } from 'ethers';
import type { ApiClient } from './api-client.ts';
import { CommandError, exitCodes } from './errors.ts';
import { sendTransaction } from './send-transaction.ts';
import { type Token, tokenAmount } from './token.ts';

const erc20Abi = [
  {
    type: 'function',
    name: 'approve',
    stateMutability: 'nonpayable',
    inputs: [
      { name: 'spender', type: 'address' },
      { name: 'value', type: 'uint256' },
    ],
    outputs: [{ name: '', type: 'bool' }],
  },
  {
    type: 'function',
    name: 'allowance',
    stateMutability: 'view',
    inputs: [
      { name: 'owner', type: 'address' },
      { name: 'spender', type: 'address' },
    ],
    outputs: [{ name: '', type: 'uint256' }],
  },
  {
    type: 'function',
    name: 'balanceOf',
    stateMutability: 'view',
    inputs: [{ name: 'account', type: 'address' }],
    outputs: [{ name: '', type: 'uint256' }],
  },
] as const;

type Hex = `0x${string}`;

/** What a payer's share is, and the transaction that let the market take it. */
export interface ApprovedShare {
  shareWei: bigint;
  /** Null when the market might take it before. */
  approval: string | null;
}

/**
 * Lets the market take exactly the payer's share of an offer in a token, unless it may already. Does nothing for an
 * address that is no payer.
 * @throws CommandError when the payer has not got so much, or the API prepares anything else than this approval
 */
export async function approveShare(
  api: ApiClient,
  wallet: Wallet,
  offerId: number,
  token: Token,
): Promise<ApprovedShare> {
  const { provider } = wallet;
  if (provider === null) throw new TypeError('The wallet has no provider.');
  const { market } = (await api.query<{ market: { market: Hex } }>('{ market { market } }')).market;
  const owner = wallet.address as Hex;
  const ask = { abi: erc20Abi, address: token.address } as const;
  const [shareWei, allowanceWei, balanceWei] = await Promise.all([
    readContract(provider, {
      abi: trainingMarketAbi,
      address: market,
      functionName: 'shareWei',
      args: [BigInt(offerId), owner],
    }),
    readContract(provider, { ...ask, functionName: 'allowance', args: [owner, market] }),
    readContract(provider, { ...ask, functionName: 'balanceOf', args: [owner] }),
  ]);
  if (allowanceWei >= shareWei) return { shareWei, approval: null };
  if (balanceWei < shareWei)
    throw new CommandError(
      exitCodes.failure,
      `${owner} has ${tokenAmount(token, balanceWei)}, and its share of offer ${String(offerId)} is ${tokenAmount(token, shareWei)}. Nothing was sent.`,
    );
  const transaction = await api.prepare('prepareApprove', 'offerId: $offerId', '$offerId: Int!', { offerId });
  const { data } = encodeCall({ abi: erc20Abi, functionName: 'approve', args: [market, shareWei] });
  // An approval reaches beyond this offer: it is signed only if it is exactly the one that was asked for.
  if (transaction.to.toLowerCase() !== token.address.toLowerCase() || transaction.data.toLowerCase() !== data)
    throw new CommandError(
      exitCodes.failure,
      `The API prepared another approval than one of ${tokenAmount(token, shareWei)} for the market ${market}. Nothing was signed. Do you trust this API?`,
    );
  const { hash } = await sendTransaction(wallet, { ...transaction, valueWei: '0' });
  return { shareWei, approval: hash };
}
