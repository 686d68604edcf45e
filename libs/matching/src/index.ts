export { idle, loadOf, slotsFor, slotsOf } from './capacity.ts';
export { matches, minValidationFeeBps } from './match.ts';
export { limitSeconds, OpenHours } from './open-hours.ts';
export { quoteWei } from './price.ts';
export { InvalidReceiptError, makeReceipt, type MatchReceipt, replayReceipt } from './receipt.ts';
export { rejectionReasons, type MatchOffer, type MatchPool, type MatchReservation, type OfferMatch } from './types.ts';
