import { encodeCall, readContract, trainingMarketAbi } from '@cotrain/chain';
import type { Hex } from '@cotrain/protocol';
import { approveShare } from './approve-share.ts';
import type { SentTransaction } from './send-transaction.ts';
import type { Signatory } from './signatory.ts';
import { isEther, type Token } from './token.ts';

/** A share that was paid, in the smallest unit of the offer's token. */
export interface PaidShare extends SentTransaction {
  amountWei: bigint;
  /** ETH that the transaction sent. */
  valueWei: bigint;
  /** The transaction that let the market take the share; null where none was needed. */
  approval: string | null;
  summary: string;
}

/** The token that an offer is paid in, as the market has it. */
export async function tokenOfOffer(account: Signatory, offerId: number): Promise<string> {
  const { market } = await account.contracts();
  return readContract(account.provider, {
    abi: trainingMarketAbi,
    address: market,
    functionName: 'tokenOf',
    args: [BigInt(offerId)],
  });
}

/** Pays the account's share of an offer: as much as the market says. @param token of the offer: see `tokenOfOffer` */
export async function fundOffer(account: Signatory, offerId: number, token: Token): Promise<PaidShare> {
  const { market } = await account.contracts();
  const approved = isEther(token) ? null : await approveShare(account, offerId, token);
  const prepared = await account.api.prepare('prepareFund', 'offerId: $offerId', '$offerId: Int!', { offerId });
  const ask = { abi: trainingMarketAbi, address: market } as const;
  const id = BigInt(offerId);
  const [amountWei, jobHeaderHash] = await Promise.all([
    readContract(account.provider, { ...ask, functionName: 'shareWei', args: [id, account.wallet.address as Hex] }),
    readContract(account.provider, { ...ask, functionName: 'jobHeaderHash', args: [id] }),
  ]);
  const valueWei = isEther(token) ? amountWei : 0n;
  const { data } = encodeCall({ abi: trainingMarketAbi, functionName: 'fund', args: [id, jobHeaderHash] });
  const sent = await account.send(prepared, { to: market, data, valueWei });
  return { ...sent, amountWei, valueWei, approval: approved?.approval ?? null, summary: prepared.summary };
}
