interface Waiting {
  slots: number;
  start: () => void;
}

/**
 * Hands out the GPUs of pools, so that no pool runs more than it has. A job that waits starts as soon as enough are
 * free, which is what matching counts on.
 */
export class PoolSlots {
  private readonly pools = new Map<string, { busy: number; total: number; waiting: Set<Waiting> }>();

  /** Waits for `slots` of the pool's `total`; the result gives them back. @throws the signal's reason */
  async take(poolId: string, total: number, slots: number, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    const pool = this.pools.get(poolId) ?? { busy: 0, total, waiting: new Set<Waiting>() };
    this.pools.set(poolId, pool);
    pool.total = total;
    // A job that asks for more than there is would wait for ever: it gets all.
    const wanted = Math.min(slots, total);
    await new Promise<void>((resolve, reject) => {
      const waiting: Waiting = { slots: wanted, start: resolve };
      pool.waiting.add(waiting);
      signal.addEventListener(
        'abort',
        () => {
          if (pool.waiting.delete(waiting)) reject(signal.reason as Error);
        },
        { once: true },
      );
      this.startWhatFits(poolId);
    });
    let taken = true;
    return () => {
      if (!taken) return;
      taken = false;
      pool.busy -= wanted;
      this.startWhatFits(poolId);
    };
  }

  private startWhatFits(poolId: string): void {
    const pool = this.pools.get(poolId);
    if (pool === undefined) return;
    for (const waiting of pool.waiting) {
      if (pool.busy + waiting.slots > pool.total) continue;
      pool.waiting.delete(waiting);
      pool.busy += waiting.slots;
      waiting.start();
    }
    if (pool.busy === 0 && pool.waiting.size === 0) this.pools.delete(poolId);
  }
}
