export { type Api, type ApiOptions, startApi } from './start-api.ts';
export { InvalidReceiptError, type MatchReceipt, replayReceipt } from './matching/receipt.ts';
export { defaultPolicy } from './signer/default-policy.ts';
