import { formatEther } from 'ethers';

/** States of an offer, verdicts and phases of a verification, as the contracts number them. */
const offerStates = [
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
const verdicts = ['Pending', 'Valid', 'Invalid', 'Unavailable', 'Undecided'] as const;
const phases = [
  'not begun',
  'waiting for the draw',
  'being voted on',
  'found valid and open to challenges',
  'closed',
] as const;

type Argument = unknown;

const text = (value: Argument): string => String(value);
const offer = (id: Argument): string => `offer ${text(id)}`;
const ether = (wei: Argument): string => `${formatEther(BigInt(text(wei)))} ETH`;
/** Of what may be ETH or a token: the error does not say which. */
const units = (amount: Argument): string => `${text(amount)} of the offer's smallest unit`;
const named = (names: readonly string[], index: Argument): string => names[Number(index)] ?? text(index);

function time(seconds: Argument): string {
  const date = new Date(Number(seconds) * 1000);
  return Number.isNaN(date.getTime()) ? `second ${text(seconds)}` : date.toISOString().replace('.000Z', 'Z');
}

/** What may be done about an offer in this state. */
function afterState(state: Argument): string {
  switch (named(offerStates, state)) {
    case 'None':
      return 'There is no such offer.';
    case 'Funding':
      return 'Its payers have to pay their shares first.';
    case 'Bidding':
    case 'Awarded':
    case 'Training':
    case 'Committed':
      return 'Its shares are paid, and it is not settled yet: wait for the next state.';
    case 'Cancelled':
      return 'Nothing was paid, and there is nothing to claim.';
    default:
      return 'It is settled: what is left is to claim, and to withdraw.';
  }
}

/** Each custom error's sentence and remedy, by its name and its number of arguments. */
const sentences: Record<string, (...values: Argument[]) => string> = {
  // The market
  'UnknownOffer/1': (id) => `there is no ${offer(id)} in this market. Is it the market that you mean?`,
  'WrongState/2': (id, state) =>
    `${offer(id)} is ${named(offerStates, state)}, so this cannot be done. ${afterState(state)}`,
  'TooEarly/2': (id, deadline) => `it is too early for ${offer(id)}. Try again after ${time(deadline)}.`,
  'TooLate/2': (id, deadline) => `it is too late for ${offer(id)}: this was possible until ${time(deadline)}.`,
  'WindowOutOfRange/1': (seconds) =>
    `a window of ${text(seconds)} s is out of range. Give at least 1 s, and less than the contract's limit.`,
  'HeaderOutOfRange/0': () =>
    'the JobHeader is out of range. Steps, batch size, rows and row bytes are at least 1, a segment 1 to 128 steps.',
  'HeaderMismatch/2': () => 'the offer has another JobHeader: the chain was reorganised. Look at the offer again.',
  'PayersOutOfRange/2': (payers, shares) =>
    `${text(payers)} payers with ${text(shares)} shares were given. Give 1 to 64 payers, and a share for each.`,
  'ZeroUnits/1': (payer) => `payer ${text(payer)} has 0 units. Give each payer at least 1.`,
  'DuplicatePayer/1': (payer) => `payer ${text(payer)} is there twice. Give him all his units at once.`,
  'NotAPayer/1': (account) => `${text(account)} is no payer of this offer. Use the key of one.`,
  'AlreadyPaid/1': (payer) => `${text(payer)} has paid his share already. There is nothing to do.`,
  'AlreadyRefunded/1': (payer) =>
    `${text(payer)} has claimed his part already. If it has not been withdrawn yet, withdraw it.`,
  'NotRequester/1': (account) => `${text(account)} did not open this offer. Only who opened it can cancel it.`,
  'NotTheTrainer/1': (account) => `${text(account)} does not hold the award of this offer.`,
  'SharePaid/1': (id) =>
    `a share of ${offer(id)} is paid, so it cannot be cancelled any more. It ends by its funding window.`,
  'VerifierNotAdmitted/1': (verifier) => `the market has not admitted the verifier ${text(verifier)}.`,
  'StakeBelowReward/2': (stake, needed) =>
    `a trainer's stake of ${ether(stake)} is too small for this reward. Ask for at least ${ether(needed)}.`,
  'ZeroReward/0': () => 'the reward is 0. Give at least the smallest unit.',
  'AmountTooLarge/1': (amount) => `${units(amount)} are more than the market can hold (2^128). Give less.`,
  'PriceAboveReward/2': (price, reward) =>
    `the price of ${units(price)} is above the reward of ${text(reward)}. Bid less.`,
  'FreeStakeTooSmall/3': (trainer, free, needed) =>
    `${text(trainer)} has ${ether(free)} of free stake, and ${ether(needed)} are needed. Deposit stake first.`,
  'VerdictPending/1': (id) => `the validators have not decided about ${offer(id)} yet. Try again later.`,
  'VerdictReached/2': (id, verdict) =>
    `${offer(id)} has a verdict already: ${named(verdicts, verdict)}. Settle it by that.`,
  'NotTheVerifier/1': (account) => `${text(account)} is not the verifier of this offer.`,
  'FeeSpent/2': (left, asked) => `of the validation fee ${units(left)} are left, and ${text(asked)} were asked for.`,
  'ZeroReference/0': () => 'the reference of log or model is missing.',
  'UnexpectedEther/1': () => 'the market takes ETH only for a share or a bond.',
  'BidNotBetter/3': (_, price, current) =>
    `the bid of ${text(price)} is not below this bidder's present one of ${units(current)}. Bid less.`,
  'BidTooHigh/2': (price, worst) =>
    `the bid of ${text(price)} is not below the worst of the best three, ${units(worst)}. Bid less.`,
  'NothingToWithdraw/2': (account) =>
    `nothing is credited to ${text(account)}. Claim first, or wait for the settlement.`,
  'EtherTransferFailed/2': (account, amount) =>
    `${text(account)} does not take the ${ether(amount)}. Use another account.`,
  'WrongValue/2': (sent, expected) => `${ether(sent)} were sent where ${ether(expected)} are due. Send exactly this.`,
  'TokenTookFee/3': (token, received, expected) =>
    `the token ${text(token)} took a fee: ${text(received)} of ${text(expected)} arrived. Such tokens cannot be used.`,
  // The trainers' stakes
  'NotAMarket/1': (caller) => `${text(caller)} is no market of this registry.`,
  'MarketNotAccepted/2': (trainer, market) =>
    `${text(trainer)} has not accepted the market ${text(market)}. Deposit again, or call acceptMarkets.`,
  'StakeTooSmall/3': (trainer, free, needed) =>
    `${text(trainer)} has ${ether(free)} of free stake, less than ${ether(needed)}. Give less, or deposit more.`,
  'LockExists/2': (_, id) => `stake is locked for ${offer(id)} already.`,
  'NoLock/2': (_, id) => `no stake is locked for ${offer(id)}.`,
  'NotConvicted/3': (_, id, verdict) => `the trainer of ${offer(id)} is not convicted: ${named(verdicts, verdict)}.`,
  'StillUnbonding/2': (trainer, at) => `the stake of ${text(trainer)} is unbonding. Try again from ${time(at)} on.`,
  'ZeroAmount/0': () => 'the amount is 0. Give more.',
  'ShareTooLarge/1': (bps) => `${text(bps)} hundredths of a percent are too many.`,
  // The validators' quorum
  'ParametersOutOfRange/0': () => "the quorum's parameters are out of range: see contracts/README.md.",
  'NotTheMarket/1': (caller) => `${text(caller)} is not the market of this quorum.`,
  'WrongPhase/2': (id, phase) =>
    `the verification of ${offer(id)} is ${named(phases, phase)}, so this cannot be done now.`,
  'DrawBlockNotReached/1': (block) => `the draw waits for block ${text(block)}. Try again then.`,
  'TooFewValidators/2': (eligible, needed) =>
    `${text(eligible)} validators can be drawn, and ${text(needed)} are needed. More have to join.`,
  'NotDrawn/2': (id, validator) => `${text(validator)} was not drawn for ${offer(id)}.`,
  'AlreadyCommitted/1': (validator) => `${text(validator)} has committed his vote already.`,
  'NotCommitted/1': (validator) => `${text(validator)} has committed no vote.`,
  'AlreadyRevealed/1': (validator) => `${text(validator)} has revealed his vote already.`,
  'EmptyVote/0': () => 'the vote is empty.',
  'VoteHashMismatch/2': () => 'the vote is not the one that was committed.',
  'WindowOver/1': (deadline) => `this was possible until ${time(deadline)}.`,
  'WindowOpen/1': (deadline) => `this is possible after ${time(deadline)}. Try again then.`,
  'StakeTooSmall/2': (stake, needed) => `a stake of ${ether(stake)} is too small. A validator needs ${ether(needed)}.`,
  'OnDuty/2': (validator, duties) =>
    `${text(validator)} is on duty in ${text(duties)} verification(s). Try again when they are over.`,
  'NotAValidator/1': (account) => `${text(account)} is no validator. Join first.`,
  'NotLeaving/1': (account) => `${text(account)} is not leaving. Leave first, then withdraw.`,
  'StillLeaving/2': (account, at) => `${text(account)} is still leaving. Try again after ${time(at)}.`,
  'OfferSettledAlready/1': (id) => `${offer(id)} is settled already.`,
  'SeatsTaken/0': () => 'every seat of the quorum is taken. Try again when a validator has left.',
  'NoSuchSegment/2': (segment, segments) =>
    `there is no segment ${text(segment)}: they are 0 to ${String(Number(segments) - 1)}.`,
  'TooManyChallenges/1': (id) => `${offer(id)} was challenged as often as is possible.`,
};

/**
 * What a custom error of our contracts means, for a person: amounts in ETH, times as dates, states by name, and what to
 * do. Null for an error that has no sentence here.
 */
export function describeRefusal(errorName: string, values: readonly unknown[]): string | null {
  return sentences[`${errorName}/${String(values.length)}`]?.(...values) ?? null;
}
