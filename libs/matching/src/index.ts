export { idle, loadOf, slotsFor, slotsOf } from './capacity.ts';
export { matches } from './match.ts';
export { limitSeconds, OpenHours } from './open-hours.ts';
export { quoteWei } from './price.ts';
export { InvalidReceiptError, makeReceipt, type MatchReceipt, replayReceipt } from './receipt.ts';
export { type MatchOffer, type MatchPool, type MatchReservation, type OfferMatch } from './types.ts';
