import { GraphQLError } from 'graphql';
import type { Identity } from '../auth/sign-in.ts';
import type { RateLimiter } from '../http/rate-limiter.ts';

/** What GraphQL's context holds of one request. */
export interface RequestContext {
  identity: Identity | null;
  /** IP address of the client. */
  client: string;
}

/** Too many calls of an expensive operation. */
export class RateLimitedError extends GraphQLError {
  constructor(retryAfterSeconds: number) {
    const seconds = Math.ceil(retryAfterSeconds);
    super(`Too many calls; try again in ${String(seconds)} s.`, {
      extensions: { code: 'RATE_LIMITED', retryAfterSeconds: seconds },
    });
  }
}

/** @throws RateLimitedError when the caller has used up his calls */
export function limitRate(limiter: RateLimiter, caller: string): void {
  const wait = limiter.take(caller);
  if (wait > 0) throw new RateLimitedError(wait);
}
