export { type Api, type ApiOptions, startApi } from './start-api.ts';
export { defaultPolicy } from './signer/default-policy.ts';
