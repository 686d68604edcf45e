import type { OfferView } from '../indexing/fold-offer.ts';

/** What can be done about an offer now. `account` is who must sign. */
export type OfferAction =
  | { kind: 'match' }
  | {
      kind: 'award' | 'draw' | 'tally' | 'finalize' | 'expireFunding' | 'expireAward' | 'expireTraining';
      account: string;
    }
  | { kind: 'start'; account: string }
  | { kind: 'schedule'; account: string }
  | { kind: 'stopJob' }
  | { kind: 'commit'; account: string; logReference: string; modelReference: string }
  | { kind: 'withdraw'; account: string }
  | { kind: 'releaseReservations' };

/** What of our own state matters to an offer. */
export interface OwnState {
  /** Lower-case addresses of the pools that this deployment runs. */
  wallets: ReadonlySet<string>;
  /** Who signs what anyone may call; null when this deployment has no account. */
  keeper: string | null;
  matched: boolean;
  job: { state: string; logReference: string | null; modelReference: string | null } | null;
  reservationsHeld: boolean;
}

/** The chain as of its newest indexed block. */
export interface ChainTime {
  block: number;
  /** Seconds since the epoch. */
  timestamp: number;
}

const settledStates = new Set(['Paid', 'Slashed', 'Refunded', 'Cancelled']);
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
  const keep = (
    kind: 'award' | 'draw' | 'tally' | 'finalize' | 'expireFunding' | 'expireAward' | 'expireTraining',
  ): void => {
    if (own.keeper !== null) actions.push({ kind, account: own.keeper });
  };
  switch (offer.state) {
    case 'Funding':
      if (over) keep('expireFunding');
      break;
    case 'Bidding':
      if (over) keep('award');
      else if (!own.matched) actions.push({ kind: 'match' });
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
      break;
    default:
      if (settledStates.has(offer.state) && own.reservationsHeld) {
        actions.push({ kind: 'releaseReservations' });
        if (offer.trainer !== null && ours) actions.push({ kind: 'withdraw', account: offer.trainer });
      }
  }
  // Somebody else won, the award was reorganised away, or all is over.
  if (own.job?.state === 'running' && !(ours && (offer.state === 'Training' || offer.state === 'Awarded')))
    actions.push({ kind: 'stopJob' });
  return actions;
}

function trainingActions(trainer: string, own: OwnState): OfferAction[] {
  const { job } = own;
  if (job === null || job.state === 'stopped') return [{ kind: 'schedule', account: trainer }];
  if (job.state === 'done' && job.logReference !== null && job.modelReference !== null) {
    return [{ kind: 'commit', account: trainer, logReference: job.logReference, modelReference: job.modelReference }];
  }
  return [];
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
  if (round.validators.length === 0) return now.block > round.drawBlock ? [{ kind: 'draw', account: keeper }] : [];
  const allRevealed = round.votes.every((vote) => vote.vote !== null);
  const revealOver = round.revealDeadline !== null && now.timestamp > round.revealDeadline;
  return allRevealed || revealOver ? [{ kind: 'tally', account: keeper }] : [];
}
