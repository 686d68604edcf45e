// What the end-to-end tests build on.
export { ApiClient } from './client/api-client.ts';
export type { JobAnswer, OfferAnswer } from './client/offer-queries.ts';
export { openOffer } from './client/open-offer.ts';
export { fundOffer } from './client/fund-offer.ts';
export { Signatory } from './client/signatory.ts';
export { etherToken } from './client/token.ts';
export { publishJob } from './client/publish-job.ts';
export { sendTransaction } from './client/send-transaction.ts';
export { pushDataset } from './datasets/push-dataset.ts';
export type { DemoReport } from './demo/report.ts';
export { joinValidators } from './stack/join-validators.ts';
export { localRoles, type Stack, startStack } from './stack/stack.ts';
