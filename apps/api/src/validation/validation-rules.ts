import type { ChainTime } from '../bidding/offer-actions.ts';
import type { RoundView } from '../indexing/fold-offer.ts';

/** Runs that must have come to `Unavailable` before it is voted: what is missing now may be there a minute later. */
const unavailableRuns = 3;
const longestPatienceSeconds = 600;

/** Is there still time for this validator to do his duty: to commit to a vote, or to reveal the one he committed to? */
export function isDutyOpen(round: RoundView, committed: boolean, now: ChainTime): boolean {
  const deadline = committed ? round.revealDeadline : round.commitDeadline;
  return round.verdict === null && (deadline === null || now.timestamp <= deadline);
}

/** Is it time to reveal: when all have committed, or committing is over? */
export function isRevealing(round: RoundView, now: ChainTime): boolean {
  return (
    round.votes.every(({ committed }) => committed) ||
    (round.commitDeadline !== null && now.timestamp > round.commitDeadline)
  );
}

/** How long a validator's process waits for a store that is away: a share of the time that is left. */
export function storePatienceSeconds(round: RoundView, now: ChainTime): number {
  if (round.commitDeadline === null) return longestPatienceSeconds;
  const third = Math.floor((round.commitDeadline - now.timestamp) / 3);
  return Math.max(1, Math.min(longestPatienceSeconds, third));
}

/**
 * May `Unavailable` be voted? It takes an honest trainer's pay, so only after several runs, and not before half of the
 * time since the first one is over.
 */
export function mayVoteUnavailable(round: RoundView, firstRunAt: number, runs: number, now: ChainTime): boolean {
  if (runs < unavailableRuns) return false;
  return round.commitDeadline === null || now.timestamp >= (firstRunAt + round.commitDeadline) / 2;
}
