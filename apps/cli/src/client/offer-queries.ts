import type { ApiClient } from './api-client.ts';
import { CommandError, exitCodes } from './errors.ts';

/** What the commands ask of an offer. */
export interface OfferAnswer {
  id: number;
  state: string;
  rewardWei: string;
  trainer: string | null;
  priceWei: string | null;
  logReference: string | null;
  modelReference: string | null;
  paidWei: string | null;
  refundableWei: string | null;
  refundableEtherWei: string | null;
  slashedWei: string | null;
  header: Record<string, string | number>;
  terms: { verifier: string; token: string };
  jobSpecJson: string | null;
  matchable: boolean | null;
  unmatchableReason: string | null;
  payers: { payer: string; units: number; paidWei: string | null; refundedWei: string | null }[];
  bids: { trainer: string; priceWei: string }[];
  rounds: {
    round: number;
    segments: number[];
    validators: string[];
    verdict: string | null;
    votes: { validator: string; committed: boolean; vote: Vote | null }[];
  }[];
}

const offerFields = `id state rewardWei trainer priceWei logReference modelReference paidWei refundableWei refundableEtherWei slashedWei
  header { jobSpecReference programReference trainingViewReference initialStateReference rows rowBytes seed steps batchSize commitEvery }
  terms { verifier token } jobSpecJson matchable unmatchableReason
  payers { payer units paidWei refundedWei } bids { trainer priceWei }
  rounds { round segments validators verdict votes { validator committed vote } }`;

export interface JobAnswer {
  name: string;
  state: string;
  step: number;
  steps: number;
  loss: number | null;
  metric: number | null;
  testAccuracy: number | null;
  backend: string | null;
  attempts: number;
  logReference: string | null;
  modelReference: string | null;
  failure: string | null;
}

/** How far a job is, for a person; a loss is not there before the first batch. */
export function batchProgress({ step, steps, loss }: Pick<JobAnswer, 'step' | 'steps' | 'loss'>): string {
  return `batch ${String(step)}/${String(steps)}${loss === null ? '' : `  loss ${loss.toFixed(4)}`}`;
}

const jobFields = 'name state step steps loss metric testAccuracy backend attempts logReference modelReference failure';
/** Votes of validators, as the API names them. */
export type Vote = 'Valid' | 'Invalid' | 'Unavailable';

/** A vote for a person to read. */
export function voteName(vote: Vote | null): string {
  return vote?.toLowerCase() ?? 'no vote';
}

/** As the API names them. */
export const offerStates = [
  'Funding',
  'Bidding',
  'Awarded',
  'Training',
  'Committed',
  'Paid',
  'Slashed',
  'Refunded',
  'Cancelled',
] as const;
const settledStates = new Set(['Paid', 'Slashed', 'Refunded', 'Cancelled']);

/** Nothing more will happen to it but claims. */
export function isSettled(offer: Pick<OfferAnswer, 'state'>): boolean {
  return settledStates.has(offer.state);
}

/** The offer, or null. */
export async function findOffer(api: ApiClient, id: number): Promise<OfferAnswer | null> {
  return (
    await api.query<{ offer: OfferAnswer | null }>(`query ($id: Int!) { offer(id: $id) { ${offerFields} } }`, { id })
  ).offer;
}

/** @throws CommandError with exit code 3 when there is none */
export async function fetchOffer(api: ApiClient, id: number): Promise<OfferAnswer> {
  const offer = await findOffer(api, id);
  if (offer === null)
    throw new CommandError(exitCodes.notFound, `There is no offer ${String(id)}. \`cotrain offer list\` shows all.`);
  return offer;
}

/** The job of an offer that the API's own pools train, or null. */
export async function fetchJob(api: ApiClient, offerId: number): Promise<JobAnswer | null> {
  return (
    await api.query<{ job: JobAnswer | null }>(`query ($id: Int!) { job(offerId: $id) { ${jobFields} } }`, {
      id: offerId,
    })
  ).job;
}
