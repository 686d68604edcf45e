/** What the demo and the offer commands ask of an offer. */
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
  headerJson: string;
  termsJson: string;
  jobSpecJson: string | null;
  matchable: boolean | null;
  unmatchableReason: string | null;
  payers: { payer: string; units: number; paidWei: string | null; refundedWei: string | null }[];
  bids: { trainer: string; priceWei: string }[];
  rounds: {
    round: number;
    segments: number[];
    validators: string[];
    verdict: number | null;
    votes: { validator: string; committed: boolean; vote: number | null }[];
  }[];
}

export const offerFields = `id state rewardWei trainer priceWei logReference modelReference paidWei refundableWei refundableEtherWei slashedWei
  headerJson termsJson jobSpecJson matchable unmatchableReason
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

export const jobFields =
  'name state step steps loss metric testAccuracy backend attempts logReference modelReference failure';
export const voteNames = ['no vote', 'valid', 'invalid', 'unavailable'] as const;
