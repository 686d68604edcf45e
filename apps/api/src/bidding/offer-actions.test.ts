import { describe, expect, test } from '@jest/globals';
import type { BidView, OfferView, RoundView } from '../indexing/fold-offer.ts';
import { decideOfferActions, type OfferAction, type OwnState } from './offer-actions.ts';

const us = `0x${'A'.repeat(40)}`;
const them = `0x${'b'.repeat(40)}`;
const keeper = `0x${'c'.repeat(40)}`;
const now = { block: 100, timestamp: 1_000 };

function makeOffer(changes: Partial<OfferView>): OfferView {
  return {
    id: 1,
    state: 'Bidding',
    requester: them,
    jobHeaderHash: '0x1',
    header: {},
    terms: { startWindow: 60, trainingWindow: 600 },
    rewardWei: '1',
    openedAtBlock: 1,
    openedAt: 1,
    deadline: 2_000,
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
    updatedAtBlock: 1,
    payers: [],
    bids: [],
    rounds: [],
    ...changes,
  };
}

const makeBid = (trainer: string, changes: Partial<BidView> = {}): BidView => ({
  trainer,
  priceWei: '1',
  placedId: '1-0',
  displaced: false,
  forfeited: false,
  ...changes,
});
const makeRound = (changes: Partial<RoundView> = {}): RoundView => ({
  round: 1,
  drawBlock: 50,
  validators: [them],
  segments: [0],
  commitDeadline: 900,
  revealDeadline: 950,
  votes: [{ validator: them, committed: true, vote: 1, evidence: null }],
  verdict: null,
  challenger: null,
  ...changes,
});
const held = { poolId: 'pool', wallet: us, priceWei: '5', held: true };
const running = { state: 'running', logReference: null, modelReference: null };
const done = { state: 'done', logReference: '0x1', modelReference: '0x2' };

interface Case {
  name: string;
  offer: Partial<OfferView>;
  own?: Partial<OwnState>;
  actions: (OfferAction['kind'] | OfferAction)[];
}
const late = { deadline: 999 };
const cases: Case[] = [
  { name: 'an offer that is being funded is left alone', offer: { state: 'Funding' }, actions: [] },
  { name: 'funding that took too long is ended', offer: { state: 'Funding', ...late }, actions: ['expireFunding'] },
  {
    name: 'without a keeper nobody pays for it',
    offer: { state: 'Funding', ...late },
    own: { keeper: null },
    actions: [],
  },
  { name: 'an offer without our bid is matched', offer: {}, actions: ['match'] },
  {
    name: 'a decided bid that is not on the book is sent, not decided again',
    offer: {},
    own: { reservations: [held] },
    actions: [{ kind: 'bid', poolId: 'pool', priceWei: '5' }],
  },
  {
    name: 'a bid on the book is waited for',
    offer: { bids: [makeBid(us)] },
    own: { reservations: [held] },
    actions: [],
  },
  {
    name: 'a bid that was displaced is not repeated, and its capacity is free',
    offer: { bids: [makeBid(us, { displaced: true })] },
    own: { reservations: [held] },
    actions: ['settle'],
  },
  { name: 'bidding that is over is awarded', offer: { ...late, bids: [makeBid(them)] }, actions: ['award'] },
  {
    name: 'our award is started after its confirmations',
    offer: { state: 'Awarded', trainer: us, awardBlock: 98 },
    actions: ['start'],
  },
  { name: 'and not before', offer: { state: 'Awarded', trainer: us, awardBlock: 99 }, actions: [] },
  {
    name: 'while another is awarded our bid may still take over',
    offer: { state: 'Awarded', trainer: them, awardBlock: 1, bids: [makeBid(us), makeBid(them)] },
    own: { reservations: [held] },
    actions: [],
  },
  {
    name: 'a bid that never came onto the book is lost with the award',
    offer: { state: 'Awarded', trainer: them, awardBlock: 1, bids: [makeBid(them)] },
    own: { reservations: [held] },
    actions: ['settle'],
  },
  {
    name: 'when another has started, our bid is lost',
    offer: { state: 'Training', trainer: them, bids: [makeBid(us)] },
    own: { reservations: [held] },
    actions: ['settle'],
  },
  {
    name: 'a winner who does not start is replaced',
    offer: { state: 'Awarded', trainer: them, ...late },
    actions: ['expireAward'],
  },
  { name: 'our job is scheduled', offer: { state: 'Training', trainer: us }, actions: ['schedule'] },
  {
    name: 'a job that runs is ensured all the same: who ran it may be gone',
    offer: { state: 'Training', trainer: us },
    own: { job: running },
    actions: ['schedule'],
  },
  {
    name: 'a job that failed for good is not',
    offer: { state: 'Training', trainer: us },
    own: { job: { ...running, state: 'failed' } },
    actions: [],
  },
  {
    name: 'what is trained is committed',
    offer: { state: 'Training', trainer: us },
    own: { job: done },
    actions: ['commit'],
  },
  {
    name: 'a trainer who is silent is slashed',
    offer: { state: 'Training', trainer: them, ...late },
    actions: ['expireTraining'],
  },
  {
    name: 'a job whose award was reorganised away is stopped',
    offer: { bids: [makeBid(us)] },
    own: { job: running, reservations: [held] },
    actions: ['stopJob'],
  },
  {
    name: 'also one that is done: it may be another job that is awarded then',
    offer: { bids: [makeBid(us)] },
    own: { job: done, reservations: [held] },
    actions: ['stopJob'],
  },
  {
    name: 'a bid that came back by a reorganisation holds its capacity again',
    offer: { bids: [makeBid(us)] },
    own: { reservations: [{ ...held, held: false }] },
    actions: [{ kind: 'holdAgain', poolId: 'pool' }],
  },
  {
    name: 'a round is drawn after its block',
    offer: { state: 'Committed', trainer: us, rounds: [makeRound({ validators: [], drawBlock: 99 })] },
    actions: ['draw', 'tally'],
  },
  {
    name: 'and not before',
    offer: { state: 'Committed', trainer: us, rounds: [makeRound({ validators: [], drawBlock: 100 })] },
    actions: [],
  },
  {
    name: 'when all have revealed the votes are counted',
    offer: { state: 'Committed', rounds: [makeRound()] },
    actions: ['tally'],
  },
  {
    name: 'a verifier that never decides loses its say',
    offer: { state: 'Committed', ...late, rounds: [makeRound({ validators: [], drawBlock: 100 })] },
    actions: ['expireVerdict'],
  },
  {
    name: 'a valid job is paid only after the challenge window',
    offer: { state: 'Committed', challengeEndsAt: 1_000, rounds: [makeRound({ verdict: 1 })] },
    actions: [],
  },
  {
    name: 'then it is',
    offer: { state: 'Committed', challengeEndsAt: 999, rounds: [makeRound({ verdict: 1 })] },
    actions: ['finalize'],
  },
  {
    name: 'a conviction is settled at once',
    offer: { state: 'Committed', rounds: [makeRound({ verdict: 2 })] },
    actions: ['finalize'],
  },
  {
    name: 'when all is over the earnings are taken',
    offer: { state: 'Paid', trainer: us },
    own: { reservations: [held] },
    actions: ['settle'],
  },
  {
    name: 'and then nothing is left to do',
    offer: { state: 'Paid', trainer: us, bids: [makeBid(us)] },
    own: { reservations: [{ ...held, held: false }] },
    actions: [],
  },
];

describe('what is due for an offer', () => {
  test.each(cases)('$name', ({ offer, own, actions }) => {
    const state = { wallets: new Set([us.toLowerCase()]), keeper, job: null, reservations: [], ...own };
    const decided = decideOfferActions(makeOffer(offer), state, now, 2);
    expect(decided.map((action, index) => (typeof actions[index] === 'string' ? action.kind : action))).toEqual(
      actions,
    );
  });
});
