import type { OfferView } from '../indexing/fold-offer.ts';
import { mayStillWin } from './reservation-rules.ts';

/** Calls that anyone may make and the keeper does. */
export type KeeperKind =
  'award' | 'draw' | 'tally' | 'finalize' | 'expireFunding' | 'expireAward' | 'expireTraining' | 'expireVerdict';

/** What can be done about an offer now. `account` is who must sign. */
export type OfferAction =
  | { kind: 'match' }
  /** The capacity is held already; the bid is (still) not on the book. */
  | { kind: 'bid'; poolId: string; priceWei: string }
  | { kind: KeeperKind; account: string }
  | { kind: 'start'; account: string }
  | { kind: 'schedule'; account: string }
  | { kind: 'stopJob' }
  | { kind: 'commit'; account: string; logReference: string; modelReference: string }
  /** Takes what the market owes an account after the offer is over for it, then frees the capacity. */
  | { kind: 'settle'; account: string; poolId: string }
  /** The offer came back by a reorganisation, and with it our bid. */
  | { kind: 'holdAgain'; poolId: string };

/** Done by this deployment alone: it needs no signature, so it is not put off while there is no signer. */
export function isUnsigned({ kind }: OfferAction): boolean {
  return kind === 'schedule' || kind === 'stopJob' || kind === 'holdAgain';
}

/** Capacity of one of our pools that an offer holds or held. */
export interface OwnReservation {
  poolId: string;
  wallet: string;
  priceWei: string;
  held: boolean;
}

/** What of our own state matters to an offer. */
export interface OwnState {
  /** Lower-case addresses of the pools that this deployment runs. */
  wallets: ReadonlySet<string>;
  /** Who signs what anyone may call; null when this deployment has no account. */
  keeper: string | null;
  job: { state: string; logReference: string | null; modelReference: string | null } | null;
  reservations: readonly OwnReservation[];
}

/** The chain as of its newest indexed block. */
export interface ChainTime {
  block: number;
  /** Seconds since the epoch. */
  timestamp: number;
}

const pendingVerdicts = new Set<number | null>([null, 4]);

/**
 * Decides what to do about an offer: a pure function of what the chain says and what this deployment has. Each action
 * is idempotent, so deciding again before it has taken effect does no harm.
 */
export function decideOfferActions(
  offer: OfferView,
  own: OwnState,
  now: ChainTime,
  awardConfirmations: number,
): OfferAction[] {
  const actions: OfferAction[] = [];
  const over = offer.deadline !== null && now.timestamp > offer.deadline;
  const ours = offer.trainer !== null && own.wallets.has(offer.trainer.toLowerCase());
  const keep = (kind: KeeperKind): void => {
    if (own.keeper !== null) actions.push({ kind, account: own.keeper });
  };
  switch (offer.state) {
    case 'Funding':
      if (over) keep('expireFunding');
      break;
    case 'Bidding':
      if (over) keep('award');
      else actions.push(...biddingActions(offer, own));
      break;
    case 'Awarded':
      if (over) keep('expireAward');
      else if (ours && offer.trainer !== null && now.block >= (offer.awardBlock ?? 0) + awardConfirmations)
        actions.push({ kind: 'start', account: offer.trainer });
      break;
    case 'Training':
      if (over) keep('expireTraining');
      else if (ours && offer.trainer !== null) actions.push(...trainingActions(offer.trainer, own));
      break;
    case 'Committed':
      actions.push(...verificationActions(offer, own, now));
      // The backstop: a verifier that has not decided by then has lost its say.
      if (over) keep('expireVerdict');
      break;
    default:
      break;
  }
  for (const { poolId, wallet, held } of own.reservations) {
    const open = mayStillWin(offer, wallet);
    if (held && !open) actions.push({ kind: 'settle', account: wallet, poolId });
    if (!held && open && hasBid(offer, wallet)) actions.push({ kind: 'holdAgain', poolId });
  }
  if (isJobOfAnotherTime(offer, own, ours)) actions.push({ kind: 'stopJob' });
  return actions;
}

function hasBid(offer: OfferView, wallet: string): boolean {
  return offer.bids.some((bid) => bid.trainer.toLowerCase() === wallet.toLowerCase());
}

function biddingActions(offer: OfferView, own: OwnState): OfferAction[] {
  // One bid of this deployment is enough, also one that was displaced: the price would be the same again.
  if (offer.bids.some((bid) => own.wallets.has(bid.trainer.toLowerCase()))) return [];
  const reservation = own.reservations.find(({ held }) => held);
  if (reservation === undefined) return [{ kind: 'match' }];
  // Decided already: the first decision stands, and its bid is one intent however often it is asked for.
  return [{ kind: 'bid', poolId: reservation.poolId, priceWei: reservation.priceWei }];
}

/** Somebody else won, the award was reorganised away with its job under way or even done, or all is over. */
function isJobOfAnotherTime(offer: OfferView, { job }: OwnState, ours: boolean): boolean {
  if (job === null) return false;
  const awardedToUs = ours && (offer.state === 'Training' || offer.state === 'Awarded');
  if (job.state === 'running') return !awardedToUs;
  return job.state === 'done' && ['Funding', 'Bidding'].includes(offer.state);
}

function trainingActions(trainer: string, { job }: OwnState): OfferAction[] {
  if (job?.state === 'failed') return [];
  if (job?.state === 'done' && job.logReference !== null && job.modelReference !== null) {
    return [{ kind: 'commit', account: trainer, logReference: job.logReference, modelReference: job.modelReference }];
  }
  // Also while it runs: if the process that runs it is gone, somebody must take it over.
  return [{ kind: 'schedule', account: trainer }];
}

function verificationActions(offer: OfferView, own: OwnState, now: ChainTime): OfferAction[] {
  const { keeper } = own;
  const round = offer.rounds.at(-1);
  if (keeper === null || round === undefined) return [];
  if (round.verdict !== null) {
    const decided = round.verdict !== 1 || (offer.challengeEndsAt !== null && now.timestamp > offer.challengeEndsAt);
    // A round without a decision is followed by a new round, or by a refund after the second.
    return decided || pendingVerdicts.has(round.verdict) ? [{ kind: 'finalize', account: keeper }] : [];
  }
  // Not drawn, for want of validators or of time: closing the round is accepted once its draw deadline is over.
  if (round.validators.length === 0)
    return now.block > round.drawBlock
      ? [
          { kind: 'draw', account: keeper },
          { kind: 'tally', account: keeper },
        ]
      : [];
  const allRevealed = round.votes.every((vote) => vote.vote !== null);
  const revealOver = round.revealDeadline !== null && now.timestamp > round.revealDeadline;
  return allRevealed || revealOver ? [{ kind: 'tally', account: keeper }] : [];
}
