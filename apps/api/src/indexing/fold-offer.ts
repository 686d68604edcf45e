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

/** The offer after its events, in chain order. Pure, so a replay of the same events gives the same rows. */
export function foldOffer(events: readonly StoredEvent[], start: OfferView | null = null): OfferView | null {
  let offer = start === null ? null : structuredClone(start);
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
  const terms = args['terms'] as Record<string, unknown>;
  const payers = args['payers'] as string[];
  const units = args['units'] as number[];
  return {
    id: Number(args['offerId']),
    state: 'Funding',
    requester: text(args['requester']),
    jobHeaderHash: text(args['jobHeaderHash']),
    header: args['header'] as Record<string, unknown>,
    terms,
    rewardWei: text(terms['rewardWei']),
    openedAtBlock: blockNumber,
    openedAt: blockTimestamp,
    deadline: blockTimestamp + Number(terms['fundingWindow']),
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
    payers: payers.map((payer, index) => ({ payer, units: units[index] ?? 0, paidWei: null, refundedWei: null })),
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
      offer.deadline = Number(args['biddingEndsAt']);
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
      offer.deadline = Number(args['startDeadline']);
      break;
    case 'AwardForfeited':
      setBid(offer, args['trainer'], { forfeited: true });
      break;
    case 'TrainingStarted':
      offer.state = 'Training';
      offer.deadline = Number(args['commitDeadline']);
      break;
    case 'JobCommitted':
      offer.state = 'Committed';
      offer.logReference = text(args['logReference']);
      offer.modelReference = text(args['modelReference']);
      offer.commitment = text(args['commitment']);
      offer.deadline = null;
      break;
    case 'VerificationOpened':
      openRound(offer, Number(args['round']), Number(args['drawBlock']));
      break;
    case 'SampledChallenge':
      openRound(offer, Number(args['round']), 0).challenger = text(args['challenger']);
      break;
    case 'QuorumDrawn': {
      const round = openRound(offer, Number(args['round']), null);
      round.validators = args['validators'] as string[];
      round.segments = args['segments'] as number[];
      round.commitDeadline = Number(args['commitDeadline']);
      round.revealDeadline = Number(args['revealDeadline']);
      round.votes = round.validators.map((validator) => ({ validator, committed: false, vote: null, evidence: null }));
      break;
    }
    case 'VoteCommitted':
      setVote(offer, args, { committed: true });
      break;
    case 'VoteRevealed':
      setVote(offer, args, { vote: Number(args['vote']), evidence: text(args['evidence']) });
      break;
    case 'RoundTallied': {
      const round = openRound(offer, Number(args['round']), null);
      round.verdict = Number(args['verdict']);
      offer.verdict = round.verdict;
      offer.challengeEndsAt = Number(args['challengeEndsAt']) || null;
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

function setPayer(offer: OfferView, payer: unknown, change: Partial<PayerView>): void {
  const found = offer.payers.find((candidate) => candidate.payer === payer);
  if (found !== undefined) Object.assign(found, change);
}

function setBid(offer: OfferView, trainer: unknown, change: Partial<BidView>): void {
  const found = offer.bids.find((candidate) => candidate.trainer === trainer);
  if (found !== undefined) Object.assign(found, change);
}

function setVote(offer: OfferView, args: Record<string, unknown>, change: Partial<VoteView>): void {
  const round = offer.rounds.find((candidate) => candidate.round === Number(args['round']));
  const vote = round?.votes.find((candidate) => candidate.validator === args['validator']);
  if (vote !== undefined) Object.assign(vote, change);
}

function openRound(offer: OfferView, round: number, drawBlock: number | null): RoundView {
  let found = offer.rounds.find((candidate) => candidate.round === round);
  if (found === undefined) {
    found = {
      round,
      drawBlock: 0,
      validators: [],
      segments: [],
      commitDeadline: null,
      revealDeadline: null,
      votes: [],
      verdict: null,
      challenger: null,
    };
    offer.rounds.push(found);
    offer.verifyRound = round;
  }
  if (drawBlock !== null) found.drawBlock = drawBlock;
  return found;
}
