import { encodeCall, trainingMarketAbi } from '@cotrain/chain';
import type { SentTransaction } from './send-transaction.ts';
import type { Signatory } from './signatory.ts';

const mutations = { cancel: 'prepareCancel', claimRefund: 'prepareClaimRefund' } as const;
/** Functions of the market that take nothing but the offer. */
export type OfferAct = keyof typeof mutations;

/** Cancels an offer, or claims the account's part of what a settled one did not spend. */
export async function actOnOffer(
  account: Signatory,
  act: OfferAct,
  offerId: number,
): Promise<SentTransaction & { summary: string }> {
  const prepared = await account.api.prepare(mutations[act], 'offerId: $offerId', '$offerId: Int!', { offerId });
  const { market } = await account.contracts();
  const { data } = encodeCall({ abi: trainingMarketAbi, functionName: act, args: [BigInt(offerId)] });
  return { ...(await account.send(prepared, { to: market, data, valueWei: 0n })), summary: prepared.summary };
}
