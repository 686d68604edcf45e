/** How many calls one caller may make: `burst` at once, then `perSecond`. */
export interface Rate {
  burst: number;
  perSecond: number;
}

const maxCallers = 10_000;

/** Token buckets by caller. Memory is bounded: the callers that were idle longest are forgotten first. */
export class RateLimiter {
  private readonly buckets = new Map<string, { tokens: number; at: number }>();

  constructor(
    private readonly rate: Rate,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Takes one call. @returns 0 when it is allowed, otherwise the seconds to wait */
  take(caller: string): number {
    const now = this.now();
    const { burst, perSecond } = this.rate;
    const known = this.buckets.get(caller);
    const tokens = known === undefined ? burst : Math.min(burst, known.tokens + ((now - known.at) / 1_000) * perSecond);
    this.buckets.delete(caller);
    this.buckets.set(caller, { tokens: tokens >= 1 ? tokens - 1 : tokens, at: now });
    if (this.buckets.size > maxCallers) {
      const [oldest] = this.buckets.keys();
      if (oldest !== undefined) this.buckets.delete(oldest);
    }
    return tokens >= 1 ? 0 : (1 - tokens) / perSecond;
  }
}
