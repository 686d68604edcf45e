import { decodeEvent, trainingMarketAbi } from '@cotrain/chain';
import type { Reference } from '@cotrain/protocol';
import type { Wallet } from 'ethers';
import type { ApiClient } from './api-client.ts';
import { CommandError, exitCodes } from './errors.ts';
import type { PayerShare } from './parse-value.ts';
import { sendTransaction, type SentTransaction } from './send-transaction.ts';

/** Terms of an offer to open; windows in seconds. */
export interface OfferPlan {
  jobSpecReference: Reference;
  /** Of reward and fee, which are in its smallest units; ETH unless given. The stake is always in ETH. */
  token?: string;
  rewardWei: bigint;
  validationFeeWei: bigint;
  minStakeWei: bigint;
  fundingWindow: number;
  bidWindow: number;
  startWindow: number;
  trainingWindow: number;
  challengeWindow: number;
  payers: readonly PayerShare[];
}

/** Opens an offer and returns its id, as the contract's event says it. */
export async function openOffer(
  api: ApiClient,
  wallet: Wallet,
  { payers, ...plan }: OfferPlan,
): Promise<SentTransaction & { offerId: number }> {
  const transaction = await api.prepare('prepareOpenOffer', 'input: $input', '$input: OpenOfferInput!', {
    input: {
      ...plan,
      rewardWei: String(plan.rewardWei),
      validationFeeWei: String(plan.validationFeeWei),
      minStakeWei: String(plan.minStakeWei),
      payers: payers.map(({ address }) => address),
      units: payers.map(({ units }) => units),
    },
  });
  const sent = await sendTransaction(wallet, transaction);
  for (const log of sent.logs) {
    if (log.address.toLowerCase() !== transaction.to.toLowerCase()) continue;
    const event = decodeEvent(trainingMarketAbi, log);
    if (event?.eventName === 'OfferOpened') return { ...sent, offerId: Number(event.args.offerId) };
  }
  throw new CommandError(
    exitCodes.failure,
    `Transaction ${sent.hash} opened no offer at ${transaction.to}. Is the API's market the one of this chain?`,
  );
}
