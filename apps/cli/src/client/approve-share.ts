import { encodeCall, readContract, trainingMarketAbi } from '@cotrain/chain';
import type { Hex } from '@cotrain/protocol';
import { erc20Abi } from './erc20-abi.ts';
import { CommandError, exitCodes } from './errors.ts';
import type { Signatory } from './signatory.ts';
import { type Token, tokenAmount } from './token.ts';

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
export async function approveShare(account: Signatory, offerId: number, token: Token): Promise<ApprovedShare> {
  const { provider, api } = account;
  const { market } = await account.contracts();
  const owner = account.wallet.address as Hex;
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
  const prepared = await api.prepare('prepareApprove', 'offerId: $offerId', '$offerId: Int!', { offerId });
  const { data } = encodeCall({ abi: erc20Abi, functionName: 'approve', args: [market, shareWei] });
  const { hash } = await account.send(prepared, { to: token.address, data, valueWei: 0n });
  return { shareWei, approval: hash };
}
