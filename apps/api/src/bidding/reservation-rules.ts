import type { OfferView } from '../indexing/fold-offer.ts';

/** May this wallet's bid still win the offer, or is its job of the offer not settled yet? Then its capacity is held. */
export function mayStillWin(offer: OfferView, wallet: string): boolean {
  const isTrainer = offer.trainer?.toLowerCase() === wallet.toLowerCase();
  const bid = offer.bids.find(({ trainer }) => trainer.toLowerCase() === wallet.toLowerCase());
  switch (offer.state) {
    case 'Funding':
      return true;
    case 'Bidding':
      // Without a bid on the book: it may be on its way.
      return bid === undefined || !bid.displaced;
    case 'Awarded':
      return isTrainer || (bid !== undefined && !bid.displaced && !bid.forfeited);
    case 'Training':
    case 'Committed':
      return isTrainer;
    default:
      return false;
  }
}

/** Is the stake of this wallet locked for the offer on chain? Before, a bid only promises it. */
export function isStakeLocked(offer: OfferView, wallet: string): boolean {
  return offer.trainer?.toLowerCase() === wallet.toLowerCase() && offer.state !== 'Bidding';
}

/**
 * When the job of an offer may start, in seconds since the epoch: not before `startsFrom`, and not after `startsBy`,
 * the latest time that the contract allows. Of three bids the two better ones may each let their start window pass.
 */
export function startRange(offer: OfferView, wallet: string | null): { startsFrom: number; startsBy: number } {
  const deadline = offer.deadline ?? 0;
  const startWindow = Number(offer.terms['startWindow'] ?? 0);
  const trainingWindow = Number(offer.terms['trainingWindow'] ?? 0);
  const isTrainer = wallet !== null && offer.trainer?.toLowerCase() === wallet.toLowerCase();
  switch (offer.state) {
    case 'Awarded':
      return isTrainer
        ? { startsFrom: deadline - startWindow, startsBy: deadline }
        : { startsFrom: deadline, startsBy: deadline + 2 * startWindow };
    case 'Training':
      return { startsFrom: deadline - trainingWindow, startsBy: deadline - trainingWindow };
    default:
      return { startsFrom: deadline, startsBy: deadline + 3 * startWindow };
  }
}
