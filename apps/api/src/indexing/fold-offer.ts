/** TrainingMarket.VERDICT_WINDOW, which no event carries: a verifier that has not decided by then loses its say. */
export const verdictWindowSeconds = 60 * 86_400;

/** States of an offer, by the number that the contract uses. */
export const offerStates = [
  'None',
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
export type OfferState = (typeof offerStates)[number];

/** An event as it is stored: arguments are JSON. */
export interface StoredEvent {
  id: string;
  blockNumber: number;
  blockTimestamp: number;
  eventName: string;
  args: Record<string, unknown>;
}

export interface PayerView {
  payer: string;
  units: number;
  paidWei: string | null;
  refundedWei: string | null;
}

export interface BidView {
  trainer: string;
  priceWei: string;
  placedId: string;
  displaced: boolean;
  forfeited: boolean;
}

export interface VoteView {
  validator: string;
  committed: boolean;
  vote: number | null;
  evidence: string | null;
}

export interface RoundView {
  round: number;
  drawBlock: number;
  validators: string[];
  segments: number[];
  commitDeadline: number | null;
  revealDeadline: number | null;
  votes: VoteView[];
  verdict: number | null;
  challenger: string | null;
}

/** Everything that the chain says of an offer. */
export interface OfferView {
  id: number;
  state: OfferState;
  requester: string;
  jobHeaderHash: string;
  header: Record<string, unknown>;
  terms: Record<string, unknown>;
  rewardWei: string;
  openedAtBlock: number;
  openedAt: number;
  deadline: number | null;
  trainer: string | null;
  priceWei: string | null;
  awardBlock: number | null;
  logReference: string | null;
  modelReference: string | null;
  commitment: string | null;
  verifyRound: number | null;
  verdict: number | null;
  challengeEndsAt: number | null;
  paidWei: string | null;
  refundableWei: string | null;
  refundableEtherWei: string | null;
  slashedWei: string | null;
  updatedAtBlock: number;
  payers: PayerView[];
  bids: BidView[];
  rounds: RoundView[];
}

const largestInt32 = 2 ** 31 - 1;

/**
 * The offer after its events, in chain order. Pure, so a replay of the same events gives the same rows. Payers, bids and
 * rounds are replaced, never changed: one that is the same object as in `start` has the same contents.
 */
export function foldOffer(events: readonly StoredEvent[], start: OfferView | null = null): OfferView | null {
  let offer =
    start === null ? null : { ...start, payers: [...start.payers], bids: [...start.bids], rounds: [...start.rounds] };
  for (const event of events) {
    if (offer === null) {
      if (event.eventName === 'OfferOpened') offer = openedOffer(event);
      continue;
    }
    applyEvent(offer, event);
    offer.updatedAtBlock = event.blockNumber;
  }
  return offer;
}

function openedOffer({ args, blockNumber, blockTimestamp }: StoredEvent): OfferView {
  const terms = record(args['terms']);
  const units = list(args['units']);
  return {
    id: int32(args['offerId']),
    state: 'Funding',
    requester: text(args['requester']),
    jobHeaderHash: text(args['jobHeaderHash']),
    header: record(args['header']),
    terms,
    rewardWei: text(terms['rewardWei']),
    openedAtBlock: blockNumber,
    openedAt: blockTimestamp,
    deadline: int32(blockTimestamp + Number(terms['fundingWindow'])),
    trainer: null,
    priceWei: null,
    awardBlock: null,
    logReference: null,
    modelReference: null,
    commitment: null,
    verifyRound: null,
    verdict: null,
    challengeEndsAt: null,
    paidWei: null,
    refundableWei: null,
    refundableEtherWei: null,
    slashedWei: null,
    updatedAtBlock: blockNumber,
    payers: list(args['payers']).map((payer, index) => ({
      payer: text(payer),
      units: Number(units[index] ?? 0),
      paidWei: null,
      refundedWei: null,
    })),
    bids: [],
    rounds: [],
  };
}

function applyEvent(offer: OfferView, event: StoredEvent): void {
  const { args } = event;
  switch (event.eventName) {
    case 'ShareFunded':
      setPayer(offer, args['payer'], { paidWei: text(args['amountWei']) });
      break;
    case 'BiddingStarted':
      offer.state = 'Bidding';
      offer.deadline = int32(args['biddingEndsAt']);
      break;
    case 'BidPlaced':
      offer.bids = offer.bids.filter((bid) => bid.trainer !== args['trainer']);
      offer.bids.push({
        trainer: text(args['trainer']),
        priceWei: text(args['priceWei']),
        placedId: event.id,
        displaced: false,
        forfeited: false,
      });
      break;
    case 'BidDisplaced':
      setBid(offer, args['trainer'], { displaced: true });
      break;
    case 'OfferAwarded':
      offer.state = 'Awarded';
      offer.trainer = text(args['trainer']);
      offer.priceWei = text(args['priceWei']);
      offer.awardBlock = event.blockNumber;
      offer.deadline = int32(args['startDeadline']);
      break;
    case 'AwardForfeited':
      setBid(offer, args['trainer'], { forfeited: true });
      break;
    case 'TrainingStarted':
      offer.state = 'Training';
      offer.deadline = int32(args['commitDeadline']);
      break;
    case 'JobCommitted':
      offer.state = 'Committed';
      offer.logReference = text(args['logReference']);
      offer.modelReference = text(args['modelReference']);
      offer.commitment = text(args['commitment']);
      offer.deadline = int32(event.blockTimestamp + verdictWindowSeconds);
      break;
    case 'VerificationOpened':
      setRound(offer, args, { drawBlock: int32(args['drawBlock']) });
      break;
    case 'SampledChallenge':
      setRound(offer, args, { drawBlock: 0, challenger: text(args['challenger']) });
      break;
    case 'QuorumDrawn': {
      const validators = list(args['validators']).map(text);
      setRound(offer, args, {
        validators,
        segments: list(args['segments']).map(Number),
        commitDeadline: int32(args['commitDeadline']),
        revealDeadline: int32(args['revealDeadline']),
        votes: validators.map((validator) => ({ validator, committed: false, vote: null, evidence: null })),
      });
      break;
    }
    case 'VoteCommitted':
      setVote(offer, args, { committed: true });
      break;
    case 'VoteRevealed':
      setVote(offer, args, { vote: int32(args['vote']), evidence: text(args['evidence']) });
      break;
    case 'RoundTallied': {
      const verdict = int32(args['verdict']);
      setRound(offer, args, { verdict });
      offer.verdict = verdict;
      offer.challengeEndsAt = int32(args['challengeEndsAt']) || null;
      break;
    }
    case 'OfferSettled':
      offer.state = offerStates[Number(args['outcome'])] ?? 'None';
      offer.deadline = null;
      offer.paidWei = text(args['paidWei']);
      offer.refundableWei = text(args['refundableWei']);
      offer.refundableEtherWei = text(args['refundableEtherWei']);
      offer.slashedWei = text(args['slashedWei']);
      break;
    case 'RefundClaimed':
      setPayer(offer, args['payer'], { refundedWei: text(args['amountWei']) });
      break;
    default:
      break; // events that say nothing of an offer's state
  }
}

function text(value: unknown): string {
  return String(value);
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/** The column's range; the chain's integers are wider. A deadline after 19 January 2038 is that moment. */
function int32(value: unknown): number {
  const number = Number(value);
  return Number.isNaN(number) ? 0 : Math.max(-largestInt32, Math.min(largestInt32, Math.trunc(number)));
}

function setPayer(offer: OfferView, payer: unknown, change: Partial<PayerView>): void {
  offer.payers = offer.payers.map((found) => (found.payer === payer ? { ...found, ...change } : found));
}

function setBid(offer: OfferView, trainer: unknown, change: Partial<BidView>): void {
  offer.bids = offer.bids.map((found) => (found.trainer === trainer ? { ...found, ...change } : found));
}

function setVote(offer: OfferView, args: Record<string, unknown>, change: Partial<VoteView>): void {
  const round = offer.rounds.find((candidate) => candidate.round === Number(args['round']));
  if (round === undefined) return;
  setRound(offer, args, {
    votes: round.votes.map((vote) => (vote.validator === args['validator'] ? { ...vote, ...change } : vote)),
  });
}

/** Changes a round, which is opened by the first event that names it. */
function setRound(offer: OfferView, args: Record<string, unknown>, change: Partial<RoundView>): void {
  const round = Number(args['round']);
  if (!(round <= largestInt32)) return; // rounds count up from 0: the contract never gets there
  const known = offer.rounds.some((candidate) => candidate.round === round);
  if (!known) {
    offer.verifyRound = round;
    offer.rounds.push({
      round,
      drawBlock: 0,
      validators: [],
      segments: [],
      commitDeadline: null,
      revealDeadline: null,
      votes: [],
      verdict: null,
      challenger: null,
    });
  }
  offer.rounds = offer.rounds.map((found) => (found.round === round ? { ...found, ...change } : found));
}
