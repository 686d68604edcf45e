import type { Identity } from '../auth/sign-in.ts';

/** What GraphQL's context holds of one request. */
export interface RequestContext {
  identity: Identity | null;
}
