import { decodeEvent, encodeCall, trainingMarketAbi } from '@cotrain/chain';
import type { Hex, Reference } from '@cotrain/protocol';
import type { SwarmClient } from '@cotrain/swarm';
import { CommandError, exitCodes } from './errors.ts';
import { readJobHeader } from './job-header.ts';
import type { PayerShare } from './parse-value.ts';
import type { SentTransaction } from './send-transaction.ts';
import type { Signatory } from './signatory.ts';
import { etherToken } from './token.ts';

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

/**
 * Opens an offer and returns its id, as the contract's event says it. The JobHeader that is signed follows from the
 * documents in the store, whatever the API prepares.
 */
export async function openOffer(
  account: Signatory,
  swarm: Pick<SwarmClient, 'download'>,
  { payers, jobSpecReference, ...terms }: OfferPlan,
): Promise<SentTransaction & { offerId: number }> {
  const units = payers.map((payer) => payer.units);
  const prepared = await account.api.prepare('prepareOpenOffer', 'input: $input', '$input: OpenOfferInput!', {
    input: {
      jobSpecReference,
      ...terms,
      rewardWei: String(terms.rewardWei),
      validationFeeWei: String(terms.validationFeeWei),
      minStakeWei: String(terms.minStakeWei),
      payers: payers.map(({ address }) => address),
      units,
    },
  });
  const { market, quorum } = await account.contracts();
  const { data } = encodeCall({
    abi: trainingMarketAbi,
    functionName: 'open',
    args: [
      await readJobHeader(swarm, jobSpecReference),
      { ...terms, token: (terms.token ?? etherToken.address) as Hex, verifier: quorum },
      payers.map(({ address }) => address as Hex),
      units,
    ],
  });
  const sent = await account.send(prepared, { to: market, data, valueWei: 0n });
  for (const log of sent.logs) {
    if (log.address.toLowerCase() !== market.toLowerCase()) continue;
    const event = decodeEvent(trainingMarketAbi, log);
    if (event?.eventName === 'OfferOpened') return { ...sent, offerId: Number(event.args.offerId) };
  }
  throw new CommandError(
    exitCodes.failure,
    `Transaction ${sent.hash} opened no offer at ${market}. Is the API's market the one of this chain?`,
  );
}
